// A study: its series, each with a picture of it.

import { counted, date, line, make, say, text } from "./dom.js";
import { picture, search, searchAll, viewer } from "./service.js";

/** The series of a study. */
export async function study(uid, signal) {
  const path = `/studies/${uid}`;
  const [{ matches: [about] }, series] = await Promise.all([
    search("/studies", { StudyInstanceUID: uid, includefield: "StudyDescription" }, signal),
    searchAll(`${path}/series`, { includefield: "SeriesDescription" }, signal),
  ]);
  say(about ? `${series.length} series` : "");
  if (!about) return [make("h1", {}, "This study is not here."), make("p", {}, make("a", { href: "#/" }, "All studies"))];
  const title = text(about, "00081030") || `Study of ${date(text(about, "00080020")) || "an unknown date"}`;
  return [
    make("h1", {}, title),
    line(text(about, "00100010"), text(about, "00100020"), date(text(about, "00080020")), text(about, "00080061")),
    viewer ? make("p", {}, make("a", { href: `${viewer}/viewer?StudyInstanceUIDs=${uid}` }, "Open in the viewer")) : null,
    make("ul", { class: "series" }, ...series.map((one) => make("li", {}, card(path, one, signal)))),
  ];
}

/** What a series is called. */
export function seriesTitle(series) {
  return text(series, "0008103E") || `Series ${text(series, "00200011")}`.trim();
}

function card(path, series, signal) {
  const uid = text(series, "0020000E");
  const frame = make("div", { class: "thumbnail" }, text(series, "00080060") || "no modality");
  show(frame, `${path}/series/${uid}/thumbnail?viewport=160,160`, signal);
  return make("a", { href: `#${path}/series/${uid}` }, frame, make("strong", {}, seriesTitle(series)),
    make("div", { class: "quiet" }, `${text(series, "00080060")} · ${counted(text(series, "00201209"), "instance", "instances")}`));
}

async function show(frame, path, signal) {
  try {
    const source = await picture(path, signal);
    frame.replaceChildren(make("img", { src: source, alt: "", load: () => URL.revokeObjectURL(source) }));
  } catch {
    // What has no picture keeps the name of its modality.
  }
}
