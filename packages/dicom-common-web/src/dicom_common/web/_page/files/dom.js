// Elements of the page, and values of DICOM JSON as text. Text is always set as text, never as HTML.

/** Make an element: its attributes (functions are listeners), and what is in it. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** The first value of an attribute of a match as text. */
export function text(match, tag) {
  const value = match[tag]?.Value;
  return value ? value.filter((one) => one != null).map(shown).join(", ") : "";
}

function shown(value) {
  if (typeof value !== "object") return String(value);
  return [value.Alphabetic, value.Ideographic, value.Phonetic].filter(Boolean).map(name).join(" / ");
}

function name(group) {
  const [family = "", given = "", middle = "", prefix = "", suffix = ""] = group.split("^");
  const first = [prefix, given, middle].filter(Boolean).join(" ");
  return [family, first, suffix].filter(Boolean).join(", ");
}

/** Whose it is and what else identifies it, in a line; each value keeps the direction of its own script. */
export function line(...values) {
  const shown = values.filter(Boolean).flatMap((value) => [" · ", make("bdi", {}, value)]);
  return make("p", {}, ...shown.slice(1));
}

/** A table that may be wider than the page: the keyboard scrolls it, too. */
export function wide(label, columns, body) {
  return make("div", { class: "wide", tabindex: 0, role: "region", "aria-label": label }, make("table", {},
    make("thead", {}, make("tr", {}, ...columns.map((title) => make("th", { scope: "col" }, title)))), body));
}

/** A date of DICOM as people read it. */
export function date(value) {
  return /^\d{8}$/.test(value) ? `${value.slice(0, 4)}-${value.slice(4, 6)}-${value.slice(6)}` : value;
}

/** Say something in the header, which a screen reader reads out; it stays until the next message. */
export function say(message) {
  document.getElementById("status").textContent = message;
}

/** A number with its noun. */
export function counted(number, one, several) {
  return `${number} ${Number(number) === 1 ? one : several}`;
}
