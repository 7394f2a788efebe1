// Small helpers for elements and times. Text always goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const texts = JSON.parse(document.getElementById("texts").textContent);

// A text of the page's language with its places filled in.
export function say(name, values = {}) {
  return texts[name].replace(/\{(\w+)\}/g, (place, key) => (key in values ? values[key] : place));
}

// A file for the reader, made here: nothing leaves the page.
export function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// A table as CSV; a text that a spreadsheet would take for a formula is kept a text.
export function csv(rows) {
  const cell = (value) => {
    const text = String(value ?? "");
    const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  };
  return `\ufeff${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export function clock(timeS, tenths = true) {
  const t = tenths ? Math.round(timeS * 10) / 10 : Math.round(timeS);
  const minutes = Math.floor(t / 60);
  const rest = t - 60 * minutes;
  return `${minutes}:${rest.toFixed(tenths ? 1 : 0).padStart(tenths ? 4 : 2, "0")}`;
}

export function short(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2).replace("-", "−");
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

let ruler12 = null;

// Width in pixels of a label on the time axis.
export function textWidth(text) {
  if (!ruler12) {
    ruler12 = document.createElement("canvas").getContext("2d");
    ruler12.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  }
  return ruler12.measureText(text).width;
}

// One tooltip for the page, kept inside the window.
export function tip(event, lines) {
  const box = document.querySelector(".tip");
  if (!lines || !lines.length) {
    box.hidden = true;
    return;
  }
  box.replaceChildren(...lines.map((line, i) => make(i ? "div" : "b", {}, line)));
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const x = clamp(event.clientX + 14, 8, Math.max(8, window.innerWidth - width - 8));
  const below = event.clientY + 18;
  const y = below + height > window.innerHeight - 8 ? event.clientY - height - 12 : below;
  box.style.transform = `translate(${Math.round(x)}px, ${Math.round(Math.max(8, y))}px)`;
}
