// A certified OpenID provider on loopback: one client, anybody's name as the login, any password.
// Its argument is JSON: client_secret, redirect_uri, signed_by, host. Prints its issuer once it listens.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const { client_secret, redirect_uri, signed_by, host } = JSON.parse(process.argv[2]);
const keys = [
  { ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), use: 'sig' },
  { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), use: 'sig' },
];
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://${host}:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'scoregate',
      client_secret,
      redirect_uris: [redirect_uri],
      id_token_signed_response_alg: signed_by,
    }],
    claims: { openid: ['sub'], profile: ['name'], phone: ['phone_number', 'phone_number_verified'], document: ['document_number'] },
    cookies: { keys: ['of one test'] },
    features: { claimsParameter: { enabled: true } },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        ...{ sub: id, name: `Person ${id}`, document_number: 'D1' },
        ...{ phone_number: '+8613800138000', phone_number_verified: true },
      }),
    }),
    jwks: { keys },
    pkce: { required: () => true },
    // Tests move the pages' clock, and not this one's: what it signs holds for a day.
    ttl: { Grant: 600, IdToken: 86_400, Interaction: 600, Session: 600 },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
