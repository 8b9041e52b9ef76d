// The list of studies: search and paging.

import { counted, date, make, say, text, wide } from "./dom.js";
import { search } from "./service.js";

const PAGE = 25;
const FIELDS = [
  ["PatientName", "Patient's name", "search", "smith*"],
  ["PatientID", "Patient ID", "search", ""],
  ["AccessionNumber", "Accession number", "search", ""],
  ["StudyDate", "Study date, from", "date", ""],
  ["until", "until", "date", ""],
  ["ModalitiesInStudy", "Modality", "search", "CT"],
];
const COLUMNS = [
  ["00100010", "Patient"], ["00100020", "Patient ID"], ["00080020", "Date"], ["00081030", "Description"],
  ["00080061", "Modalities"], ["00080050", "Accession"], ["00201206", "Series"], ["00201208", "Instances"],
];

/** The list, by what the address says is searched for. */
export async function studies(parameters, signal) {
  const offset = Math.max(0, Number(parameters.get("offset")) || 0);
  const asked = { limit: PAGE, offset, includefield: "StudyDescription" };
  for (const [key] of FIELDS) {
    const value = parameters.get(key);
    if (value && key !== "until" && key !== "StudyDate") asked[key] = value;
  }
  const from = (parameters.get("StudyDate") || "").replaceAll("-", "");
  const until = (parameters.get("until") || "").replaceAll("-", "");
  if (from || until) asked.StudyDate = `${from}-${until}`;
  const { matches, more } = await search("/studies", asked, signal);
  say(matches.length ? counted(matches.length, "study", "studies") : "No study matches.");
  const page = (to) => {
    const next = new URLSearchParams(parameters);
    next.set("offset", to);
    location.hash = `#/?${next}`;
  };
  return [
    make("h1", {}, "Studies"),
    form(parameters),
    matches.length ? table(matches) : make("p", {}, "No study matches."),
    make("div", { class: "paging" },
      make("button", { disabled: offset === 0, click: () => page(Math.max(0, offset - PAGE)) }, "Previous"),
      make("span", { class: "quiet" }, matches.length ? `${offset + 1} to ${offset + matches.length}` : ""),
      make("button", { disabled: !more, click: () => page(offset + PAGE) }, "Next")),
  ];
}

function form(parameters) {
  const submit = (event) => {
    event.preventDefault();
    const filled = [...new FormData(event.target)].filter(([, value]) => value.trim());
    location.hash = `#/?${new URLSearchParams(filled)}`;
  };
  return make("form", { class: "search", role: "search", submit },
    ...FIELDS.map(([name, label, type, placeholder]) =>
      make("label", {}, label, make("input", { name, type, placeholder, value: parameters.get(name) || "" }))),
    make("button", {}, "Search"),
    make("a", { href: "#/" }, "Clear"));
}

function table(matches) {
  return wide("Studies", COLUMNS.map(([, title]) => title),
    make("tbody", {}, ...matches.map((match) => make("tr", {}, ...COLUMNS.map(([tag], column) => cell(match, tag, column))))));
}

function cell(match, tag, column) {
  if (column === 0) {
    const label = text(match, tag) || "(no name)";
    return make("td", {}, make("a", { href: `#/studies/${text(match, "0020000D")}` }, label));
  }
  const value = text(match, tag);
  if (tag === "00080020") return make("td", { class: "date" }, date(value));
  return make("td", { class: tag.startsWith("002012") ? "number" : "" }, value);
}
