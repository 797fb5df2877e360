"""The laws at full size: campaigns that try to break them, each beside an arm that must fail.

``campaign`` is what a campaign is given and what it finds; every other file is one campaign.
`make prove` runs them at full size, ``test_prove`` small.
"""
