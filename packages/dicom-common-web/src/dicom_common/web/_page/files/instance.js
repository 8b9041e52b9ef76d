// A series: its instances and frames one after the other, with the window, and the metadata as a table.

import { counted, make, say, text } from "./dom.js";
import { attributeNames, metadata, picture, search } from "./service.js";

const PRESETS = {
  "As stored": "", "Soft tissue": "40,400", "Lung": "-600,1500", "Bone": "400,1800", "Brain": "40,80",
};

/** A series, shown from its first instance on. */
export async function series(study, uid, signal) {
  const path = `/studies/${study}/series/${uid}`;
  const { matches } = await search(`${path}/instances`, { includefield: "NumberOfFrames", limit: 5000 }, signal);
  if (!matches.length) return [make("h1", {}, "This series is not here.")];
  return new Viewer(path, matches, signal).elements();
}

class Viewer {
  constructor(path, instances, signal) {
    this.path = path;
    this.signal = signal;
    this.images = instances.flatMap((one) => {
      const frames = Number(text(one, "00280008")) || 1;
      return Array.from({ length: frames }, (_, frame) => ({ uid: text(one, "00080018"), frame: frame + 1, frames, number: text(one, "00200013") }));
    });
    this.at = 0;
    this.window = "";
    this.latest = 0;
  }

  elements() {
    this.frame = make("div", { class: "picture", tabindex: 0, role: "img", "aria-label": "Image", keydown: (event) => this.key(event) });
    this.slider = make("input", { type: "range", min: 1, max: this.images.length, value: 1, disabled: this.images.length === 1, input: () => this.go(this.slider.value - 1) });
    this.where = make("output", {});
    this.center = make("input", { type: "number", step: "any", change: () => this.typed() });
    this.width = make("input", { type: "number", step: "any", min: 0, change: () => this.typed() });
    const preset = make("select", { change: () => this.preset(preset.value) },
      ...Object.entries(PRESETS).map(([name, value]) => make("option", { value }, name)));
    this.table = make("tbody", {});
    this.show();
    return [
      make("h1", {}, "Series"),
      make("div", { class: "viewer" }, this.frame,
        make("div", { class: "controls" },
          make("label", {}, "Image", this.slider), this.where,
          make("label", {}, "Window", preset),
          make("label", {}, "Window center", this.center),
          make("label", {}, "Window width", this.width),
          make("p", { class: "quiet" }, "With the image in focus: arrow keys, Home and End change the image."))),
      make("h2", {}, "Metadata"),
      make("div", { class: "wide" }, make("table", {},
        make("thead", {}, make("tr", {}, ...["Tag", "Attribute", "VR", "Value"].map((title) => make("th", { scope: "col" }, title)))),
        this.table)),
    ];
  }

  key(event) {
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

  preset(value) {
    [this.center.value, this.width.value] = value ? value.split(",") : ["", ""];
    this.typed();
  }

  typed() {
    const [center, width] = [this.center.value, this.width.value];
    this.window = center !== "" && Number(width) > 0 ? `window=${center},${width},linear` : "";
    this.show();
  }

  async show() {
    const image = this.images[this.at];
    const turn = ++this.latest;
    this.where.textContent = `${this.at + 1} of ${this.images.length}${image.frames > 1 ? ` (frame ${image.frame})` : ""}`;
    const instance = `${this.path}/instances/${image.uid}`;
    this.describe(instance, image.uid, turn);
    try {
      const frame = image.frames > 1 ? `/frames/${image.frame}` : "";
      const source = await picture(`${instance}${frame}/rendered?${this.window}`, this.signal);
      if (turn !== this.latest) return URL.revokeObjectURL(source);
      const label = `Image ${this.at + 1} of ${this.images.length}`;
      this.frame.setAttribute("aria-label", label);
      this.frame.replaceChildren(make("img", { src: source, alt: label, load: () => URL.revokeObjectURL(source) }));
      say(label);
    } catch (error) {
      if (turn === this.latest && error.name !== "AbortError") this.frame.replaceChildren(make("p", {}, error.message));
    }
  }

  async describe(instance, uid, turn) {
    if (this.described === uid) return;
    try {
      const [about, names] = await Promise.all([metadata(instance, this.signal), attributeNames()]);
      if (turn !== this.latest) return;
      this.described = uid;
      this.table.replaceChildren(...rows(about, names, 0));
    } catch (error) {
      if (error.name !== "AbortError") say(error.message);
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
