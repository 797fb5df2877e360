"""Pages over HTTP. ``public`` serves what anybody may read; the consumer's pages and the console join it."""
