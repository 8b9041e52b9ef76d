// An OpenID provider for tests, on the package oidc-provider: access tokens (JWT, RS256 or ES256) for programs.
//
//   node oidc.mjs path/to/oidc-provider/lib/index.js PORT SECRET
//
// Each path /realms/NAME is a provider of its own, made when it is first asked for: a test takes a name that no other
// has, and nothing is shared. Its keys and claims are changed while it runs:
//
//   PUT /realms/NAME/control   Authorization: Bearer SECRET
//   {"publish": ["a", "b"], "sign": "b", "claims": {"tenant": "north"}}
//
// "a" is any word: it stands for a pair of keys, "a-RS256" and "a-ES256", made when it is first named. A key may sign
// without being published. Tokens are asked for as of any provider: grant_type=client_credentials, and
// resource=https://AUDIENCE/ALG, which says for whom the token is and how it is signed.
import { createHash, generateKeyPairSync, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [library, port, secret] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(library));
const HOST = "127.0.0.1";
const ALGORITHMS = { RS256: ["rsa", { modulusLength: 2048 }], ES256: ["ec", { namedCurve: "P-256" }] };
const SCOPES = "dicom:store dicom:search dicom:retrieve";
// Where Keycloak puts roles: those of the realm, and those of each client.
const CLAIMS = {
  tenant: "north",
  realm_access: { roles: ["radiologist", "offline_access"] },
  resource_access: { "wado-rs-api": { roles: ["viewer"] }, account: { roles: ["manage-account"] } },
};
const realms = new Map();

function makeKeys(word) {
  return Object.entries(ALGORITHMS).map(([alg, [kind, options]]) => {
    const { privateKey } = generateKeyPairSync(kind, options);
    return { ...privateKey.export({ format: "jwk" }), kid: `${word}-${alg}`, alg, use: "sig" };
  });
}

class Realm {
  constructor(name) {
    this.issuer = `http://${HOST}:${port}/realms/${name}`;
    this.keys = new Map();
    this.change({ publish: ["a"], sign: "a", claims: CLAIMS });
  }

  change({ publish = this.publish, sign = this.sign, claims = this.claims }) {
    for (const word of [...publish, sign]) if (!this.keys.has(word)) this.keys.set(word, makeKeys(word));
    Object.assign(this, { publish, sign, claims });
    const used = [...new Set([sign, ...publish])];
    const provider = new Provider(this.issuer, this.settings(used.flatMap((word) => this.keys.get(word))));
    provider.on("server_error", (_, error) => console.error(error));
    this.answer = provider.callback();
  }

  settings(keys) {
    return {
      jwks: { keys },
      clients: [
        {
          client_id: "archive",
          client_secret: secret,
          grant_types: ["client_credentials"],
          redirect_uris: [],
          response_types: [],
          token_endpoint_auth_method: "client_secret_post",
        },
      ],
      scopes: SCOPES.split(" "),
      extraTokenClaims: () => this.claims,
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_, resource) => {
            const { host, pathname } = new URL(resource);
            const alg = pathname.slice(1);
            return {
              scope: SCOPES,
              audience: host,
              accessTokenFormat: "jwt",
              accessTokenTTL: 300,
              jwt: { sign: { alg, kid: `${this.sign}-${alg}` } },
            };
          },
        },
      },
    };
  }

  // What signs is known to the provider, and not always published: a key set that is handed out late.
  isPublished = (key) => this.publish.includes(key.kid.slice(0, key.kid.lastIndexOf("-")));
}

function digest(text) {
  return createHash("sha256").update(text).digest();
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}

async function control(realm, request, response) {
  const given = request.headers.authorization ?? "";
  if (request.method !== "PUT" || !timingSafeEqual(digest(given), digest(`Bearer ${secret}`))) {
    response.writeHead(403).end();
    return;
  }
  realm.change(await body(request));
  response.writeHead(204).end();
}

// The key set with those keys left out that are not published.
function filtered(realm, response) {
  const end = response.end.bind(response);
  response.end = (chunk, ...more) => {
    const keys = JSON.parse(chunk.toString()).keys.filter(realm.isPublished);
    const text = Buffer.from(JSON.stringify({ keys }));
    response.setHeader("content-length", text.length);
    return end(text, ...more);
  };
}

async function answer(request, response) {
  const [, name, path] = /^\/realms\/([a-z0-9-]+)(\/[^]*)$/.exec(request.url) ?? [];
  if (name === undefined) {
    response.writeHead(404).end();
    return;
  }
  if (!realms.has(name)) realms.set(name, new Realm(name));
  const realm = realms.get(name);
  if (path === "/control") {
    await control(realm, request, response);
    return;
  }
  if (path === "/jwks") filtered(realm, response);
  request.originalUrl = request.url; // from which the provider knows where it is mounted
  request.url = path;
  realm.answer(request, response);
}

const server = createServer((request, response) =>
  answer(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  }),
);
server.listen(Number(port), HOST);
