// A series: its instances and frames one after the other, with the window, and the metadata as a table.

import { counted, date, line, make, say, text, wide } from "./dom.js";
import { attributeNames, metadata, picture, search, searchAll } from "./service.js";
import { seriesTitle } from "./study.js";

const PRESETS = {
  "As stored": "", "Soft tissue": "40,400", "Lung": "-600,1500", "Bone": "400,1800", "Brain": "40,80", "As typed": "typed",
};

/** A series, shown from its first instance on. */
export async function series(study, uid, signal) {
  const path = `/studies/${study}/series/${uid}`;
  const [{ matches: [owner] }, { matches: [about] }, instances] = await Promise.all([
    search("/studies", { StudyInstanceUID: study }, signal),
    search(`/studies/${study}/series`, { SeriesInstanceUID: uid, includefield: "SeriesDescription" }, signal),
    searchAll(`${path}/instances`, { includefield: "NumberOfFrames" }, signal),
  ]);
  if (!owner || !about || !instances.length) {
    say("");
    return [make("h1", {}, "This series is not here."), make("p", {}, make("a", { href: "#/" }, "All studies"))];
  }
  // Instances without a number come last (Type 2 in most modules).
  const number = (one) => Number(text(one, "00200013") || Infinity);
  instances.sort((one, other) => (number(one) === number(other) ? 0 : number(one) - number(other)));
  return [
    make("h1", {}, seriesTitle(about)),
    line(text(owner, "00100010"), text(owner, "00100020"), date(text(owner, "00080020")), text(about, "00080060")),
    ...new Viewer(path, instances, signal).elements(),
  ];
}

class Viewer {
  constructor(path, instances, signal) {
    this.path = path;
    this.signal = signal;
    this.images = instances.flatMap((one) => {
      const frames = Number(text(one, "00280008")) || 1;
      return Array.from({ length: frames }, (_, frame) => ({ uid: text(one, "00080018"), frame: frame + 1, frames }));
    });
    this.at = 0;
    this.window = "";
    this.turn = new AbortController();
  }

  elements() {
    this.frame = make("div", { class: "picture", tabindex: 0, role: "group", "aria-label": "Image: arrow keys, Home and End change it", keydown: (event) => this.key(event) });
    this.slider = make("input", { type: "range", min: 1, max: this.images.length, value: 1, disabled: this.images.length === 1, input: () => this.go(this.slider.value - 1) });
    this.where = make("output", {});
    this.center = make("input", { type: "number", step: "any", change: () => this.typed() });
    this.width = make("input", { type: "number", step: "any", min: 0, change: () => this.typed() });
    this.preset = make("select", { change: () => this.chosen(this.preset.value) },
      ...Object.entries(PRESETS).map(([name, value]) => make("option", { value }, name)));
    this.table = make("tbody", {});
    this.show();
    return [
      make("div", { class: "viewer" }, this.frame,
        make("div", { class: "controls" },
          make("label", {}, "Image", this.slider), this.where,
          make("label", {}, "Window", this.preset),
          make("label", {}, "Window center", this.center),
          make("label", {}, "Window width", this.width),
          make("p", { class: "quiet" }, "With the image in focus: arrow keys, Home and End change the image."))),
      make("h2", {}, "Metadata"),
      wide("Metadata", ["Tag", "Attribute", "VR", "Value"], this.table),
    ];
  }

  key(event) {
    // With these keys, arrows belong to the browser: back, and forward.
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const last = this.images.length - 1;
    const to = { ArrowUp: this.at - 1, ArrowLeft: this.at - 1, ArrowDown: this.at + 1, ArrowRight: this.at + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.go(Math.min(last, Math.max(0, to)));
  }

  go(to) {
    this.at = Number(to);
    this.slider.value = this.at + 1;
    this.show();
  }

  chosen(value) {
    if (value === "typed") return;
    [this.center.value, this.width.value] = value ? value.split(",") : ["", ""];
    this.typed();
  }

  typed() {
    const [center, width] = [this.center.value, this.width.value];
    const values = center === "" && width === "" ? "" : `${center},${width}`;
    this.preset.value = Object.values(PRESETS).includes(values) ? values : "typed";
    this.window = center !== "" && Number(width) > 0 ? `window=${center},${width},linear` : "";
    this.show();
  }

  async show() {
    const image = this.images[this.at];
    // What a later image has overtaken is not asked for any more.
    this.turn.abort();
    this.turn = new AbortController();
    const signal = AbortSignal.any([this.signal, this.turn.signal]);
    this.where.textContent = `${this.at + 1} of ${this.images.length}${image.frames > 1 ? ` (frame ${image.frame})` : ""}`;
    const instance = `${this.path}/instances/${image.uid}`;
    this.describe(instance, image.uid, signal);
    try {
      const frame = image.frames > 1 ? `/frames/${image.frame}` : "";
      const source = await picture(`${instance}${frame}/rendered?${this.window}`, signal);
      if (signal.aborted) return URL.revokeObjectURL(source);
      const label = `Image ${this.at + 1} of ${this.images.length}`;
      this.frame.replaceChildren(make("img", { src: source, alt: label, load: () => URL.revokeObjectURL(source) }));
      say(label);
    } catch (error) {
      if (signal.aborted) return;
      say("");
      this.frame.replaceChildren(make("p", { role: "alert" }, error.message));
    }
  }

  async describe(instance, uid, signal) {
    if (this.described === uid) return;
    try {
      const [about, names] = await Promise.all([metadata(instance, signal), attributeNames()]);
      if (signal.aborted) return;
      this.described = uid;
      this.table.replaceChildren(...rows(about, names, 0));
    } catch (error) {
      if (signal.aborted) return;
      this.described = null;
      this.table.replaceChildren(make("tr", {}, make("td", { colspan: 4, role: "alert" }, error.message)));
    }
  }
}

function rows(object, names, depth) {
  return Object.entries(object).flatMap(([tag, element]) => {
    const items = element.vr === "SQ" ? element.Value || [] : [];
    const value = element.vr === "SQ" ? counted(items.length, "item", "items") : valueOf(object, tag, element);
    const row = make("tr", {},
      make("td", { class: "tag" }, `${"> ".repeat(depth)}(${tag.slice(0, 4)},${tag.slice(4)})`),
      make("td", {}, names[tag] || ""), make("td", {}, element.vr), make("td", { class: "value" }, value));
    return [row, ...items.flatMap((item) => rows(item, names, depth + 1))];
  });
}

function valueOf(object, tag, element) {
  if (element.BulkDataURI) return "bulk data";
  if (element.InlineBinary) return `${Math.floor(element.InlineBinary.length * 3 / 4)} bytes`;
  return text(object, tag);
}
