// The page: which view the address asks for.

import { make, say } from "./dom.js";
import { series } from "./instance.js";
import { studies } from "./studies.js";
import { study } from "./study.js";

const main = document.getElementById("main");
const trail = document.getElementById("trail");
let leaving = new AbortController();

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const signal = leaving.signal;
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?");
  const [, , studyUid, , seriesUid] = path.split("/");
  say("Loading …");
  trail.replaceChildren(...crumbs(studyUid, seriesUid));
  try {
    const elements = await view(studyUid, seriesUid, new URLSearchParams(query), signal);
    if (signal.aborted) return;
    main.replaceChildren(...elements.filter(Boolean));
    document.title = main.querySelector("h1").textContent;
    arrive();
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    say("");
    main.replaceChildren(make("h1", {}, "That did not work"), make("p", { class: "error", role: "alert" }, error.message),
      make("p", {}, make("button", { click: show }, "Try again")));
    document.title = "That did not work";
    arrive();
  }
}

/** Begin at the top, unless this is an entry of the history that was shown before. */
function arrive() {
  main.focus({ preventScroll: true });
  if (!history.state) scrollTo(0, 0);
  history.replaceState({ shown: true }, "");
}

function view(studyUid, seriesUid, parameters, signal) {
  if (studyUid && seriesUid) return series(studyUid, seriesUid, signal);
  return studyUid ? study(studyUid, signal) : studies(parameters, signal);
}

function crumbs(studyUid, seriesUid) {
  const links = [make("a", { href: "#/" }, "Studies")];
  if (studyUid) links.push("› ", make("a", { href: `#/studies/${studyUid}` }, "Study"));
  if (seriesUid) links.push("› ", make("a", { href: `#/studies/${studyUid}/series/${seriesUid}`, "aria-current": "page" }, "Series"));
  return links;
}

// Its fragment is no view: the address keeps the one that is shown.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("hashchange", show);
show();
