// What the page asks the server: DICOMweb, with the token of the user where the server wants one.

const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;
export const root = meta("service-root");
export const viewer = meta("viewer");
let token = "";

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
    const answer = await fetch(root + path, { headers, signal, cache: "no-cache" });
    if (answer.status === 401) {
      await askForToken();
      continue;
    }
    if (!answer.ok) throw new ServiceError(answer.status, await sentence(answer));
    return answer;
  }
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
  names ??= await (await fetch("page/attributes.json")).json();
  return names;
}
