/**
 * Draws recorded exchanges as a sequence diagram: <sequence-diagram>, then `show()`.
 * A page that uses it also shows the same in words.
 */
import { s } from "./dom.js";

const NAMES = ["Browser", "Django", "Redis", "SQL"];
// In the units of a page whose text is 16px high. The width of a monospaced letter is 0.6 of its height.
const [SIZE, LETTER, LINE, GAP, EDGE] = [13, 0.605 * 13, 17, 8, 10];

class SequenceDiagram extends HTMLElement {
  #exchanges = [];
  #names = NAMES;
  #width = 0;
  #watch = new ResizeObserver(([{ contentRect }]) => {
    if (Math.abs(contentRect.width - this.#width) > 1) this.#draw(contentRect.width);
  });

  connectedCallback() {
    this.setAttribute("role", "img");
    this.#watch.observe(this);
  }
  disconnectedCallback() {
    this.#watch.disconnect();
  }
  show(exchanges, label, names = NAMES) {
    this.#exchanges = exchanges;
    this.#names = names;
    this.setAttribute("aria-label", label);
    this.#draw(this.clientWidth);
  }
  #draw(width) {
    this.#width = width;
    const known = this.#exchanges.length && width;
    this.replaceChildren(...(known ? [sequence(this.#exchanges, width, this.#names)] : []));
  }
}
customElements.define("sequence-diagram", SequenceDiagram);

/**
 * Returns the diagram as an SVG element. `width` is in CSS pixels. The element around it has the label. `names` are the
 * participants; the first of them sends the requests.
 */
export function sequence(exchanges, width, names = NAMES) {
  const scale = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
  const space = layout(Math.max(240, Math.min(width / scale, 720)), names);
  const heads = participants(space);
  const groups = exchanges.map((exchange) => drawn(exchange, space));
  const height = space.y + 4;
  const lives = heads.map(({ x, top }) => s("line", { class: "life", x1: x, x2: x, y1: top, y2: height }));
  const picture = s(
    "svg",
    { class: "sequence", "aria-hidden": "true", viewBox: `0 0 ${space.width} ${height}` },
    ...lives,
    ...heads.map(({ group }) => group),
    ...groups,
  );
  picture.setAttribute("width", space.width * scale);
  picture.setAttribute("height", height * scale);
  return picture;
}

// Without a line break between number and unit.
function time(ms) {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)}\u00a0ms`;
}

// The lifelines stand at the left. All text stands in one column at their right, where it crosses nothing, however long
// it is and however narrow the page.
function layout(width, names) {
  const between = Math.max(16, Math.min(48, (width * 0.3) / (names.length - 1)));
  const columns = names.map((_, index) => EDGE + index * between);
  const text = columns.at(-1) + 16;
  return { width, names, columns, text, letters: Math.floor((width - text) / LETTER), y: 0 };
}

// Each name stands at the right of the top of its lifeline, one below the other: the next lifeline begins below it.
function participants(space) {
  return space.names.map((name, index) => {
    const x = space.columns[index];
    space.y += LINE + 3;
    const [top, text] = [space.y, s("text", { x: x + 12, y: space.y, "font-size": SIZE }, name)];
    return { x, top, group: s("g", { class: "participant" }, s("circle", { cx: x, cy: top - 5, r: 5 }), text) };
  });
}

function drawn(exchange, space) {
  const group = s("g", { class: `exchange ${exchange.lane} ${exchange.thief ? "thief" : ""}` });
  for (const arrow of exchange.arrows) group.append(...step(arrow, exchange.lane, space));
  space.y += GAP;
  return group;
}

function step(arrow, lane, space) {
  const [from, to] = [arrow.source, arrow.target].map((name) => space.columns[space.names.indexOf(name)]);
  const more = [arrow.detail, arrow.ms == null ? "" : time(arrow.ms)].filter(Boolean).join(" · ");
  space.y += GAP;
  const y = space.y + LINE / 2;
  const texts = [...written(arrow.text, "said", space), ...written(more, "detail", space)];
  if (from === to) return [s("circle", { class: "self", cx: from, cy: y, r: 6 }), ...texts];
  const way = Math.sign(to - from);
  const head = `${to},${y} ${to - way * 8},${y - 4} ${to - way * 8},${y + 4}`;
  const answer = arrow.target === space.names[0];
  return [
    s("line", { class: answer ? "arrow answer" : "arrow", x1: from, x2: to - way * 6, y1: y, y2: y }),
    s("polygon", { class: "head", points: head }),
    node(from, y, lane),
    ...texts,
  ];
}

function node(x, y, lane) {
  return lane === "token"
    ? s("circle", { class: "node", cx: x, cy: y, r: 4 })
    : s("rect", { class: "node", x: x - 4, y: y - 4, width: 8, height: 8 });
}

function written(text, kind, space) {
  return wrapped(text, space.letters).map((line) => {
    space.y += LINE;
    return s("text", { class: kind, x: space.text, y: space.y - 4, "font-size": SIZE }, line);
  });
}

function wrapped(text, letters) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length <= letters) lines[lines.length - 1] = longer;
    else lines.push(...(word.match(new RegExp(`.{1,${letters}}`, "g")) ?? []));
  }
  return lines.filter(Boolean);
}
