// What the page asks the server: DICOMweb, with the token of the user where the server wants one.

const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;
export const root = meta("service-root");
export const viewer = meta("viewer");
let token = "";
let asking = null;

/** The server's answer was an error; the message is its own sentence. */
export class ServiceError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, accept, signal) {
  for (;;) {
    const headers = { Accept: accept };
    if (token) headers.Authorization = `Bearer ${token}`;
    const used = token;
    const answer = await fetch(root + path, { headers, signal, cache: "no-cache" }).catch(unreachable);
    if (answer.status === 401) {
      // Requests that run at the same time share one question, and its answer.
      if (token === used) await (asking ??= askForToken().finally(() => { asking = null; }));
      continue;
    }
    if (!answer.ok) throw new ServiceError(answer.status, await sentence(answer));
    return answer;
  }
}

function unreachable(error) {
  if (error.name === "AbortError") throw error;
  throw new ServiceError(0, "The server does not answer: check that it runs and that you are connected, and try again.");
}

async function sentence(answer) {
  try {
    return (await answer.json()).detail || answer.statusText;
  } catch {
    return answer.statusText || `status ${answer.status}`;
  }
}

function askForToken() {
  const dialog = document.getElementById("token-dialog");
  const field = document.getElementById("token");
  field.value = "";
  document.getElementById("token-refused").hidden = !token;
  dialog.showModal();
  return new Promise((done, refused) => {
    dialog.addEventListener("close", () => {
      token = field.value.trim();
      field.value = "";
      if (token) done();
      else refused(new ServiceError(401, "The server wants an access token."));
    }, { once: true });
  });
}

/** Search: the matches, and whether there are more behind them. */
export async function search(path, parameters, signal) {
  const answer = await ask(`${path}?${new URLSearchParams(parameters)}`, "application/dicom+json", signal);
  const matches = answer.status === 204 ? [] : await answer.json();
  return { matches, more: /additional results/.test(answer.headers.get("Warning") || "") };
}

/** All matches of a search, in as many requests as the server's limit of results needs. */
export async function searchAll(path, parameters, signal) {
  const all = [];
  for (;;) {
    const { matches, more } = await search(path, { ...parameters, offset: all.length }, signal);
    all.push(...matches);
    if (!more || !matches.length) return all;
  }
}

/** The metadata of an instance. */
export async function metadata(path, signal) {
  const answer = await ask(`${path}/metadata`, "application/dicom+json", signal);
  return (await answer.json())[0];
}

/** A picture as the address of an object in memory; whoever shows it frees it. */
export async function picture(path, signal) {
  const answer = await ask(path, "image/png, image/jpeg;q=0.9", signal);
  return URL.createObjectURL(await answer.blob());
}

let names;
/** The names of the attributes, by tag. */
export async function attributeNames() {
  names ??= await (await fetch("page/attributes.json").catch(unreachable)).json();
  return names;
}
