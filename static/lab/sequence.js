/**
 * Draws recorded exchanges, in the form of GET /lab/runs/…, as a sequence diagram: <sequence-diagram>, then `show()`.
 * A page that uses it also shows the same in words: `transcript`.
 */
import { h, s } from "./dom.js";

const NAMES = ["Browser", "Django", "Redis", "SQL"];
// The longest texts stand between the browser and the server.
const PARTS = [0, 0.46, 0.76, 1];
// In the units of a page whose text is 16px high. The width of a monospaced letter is 0.6 of its height.
const [LINE, HEAD, GAP, LETTER] = [15, 42, 9, 0.605];

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
  const groups = exchanges.map((exchange) => drawn(exchange, space));
  const height = space.y + 4;
  const lives = space.columns.map((x) => s("line", { class: "life", x1: x, x2: x, y1: HEAD - 12, y2: height }));
  const picture = s(
    "svg",
    { class: "sequence", "aria-hidden": "true", viewBox: `0 0 ${space.width} ${height}` },
    ...lives,
    ...space.columns.map((x, index) => participant(x, names[index], space)),
    ...groups,
  );
  picture.setAttribute("width", space.width * scale);
  picture.setAttribute("height", height * scale);
  return picture;
}

/** Returns the same in words, as the items of an ordered list. */
export function transcript(exchanges) {
  return exchanges.flatMap(({ arrows }) =>
    arrows.map((arrow) => {
      const where = arrow.source === arrow.target ? arrow.source : `${arrow.source} → ${arrow.target}`;
      const more = [arrow.detail, arrow.ms == null ? "" : time(arrow.ms)].filter(Boolean).join(", ");
      return h("li", {}, h("span", { class: "where" }, where), " ", h("strong", {}, arrow.text), more && ` ${more}`);
    }),
  );
}

/** Formats milliseconds, without a line break between number and unit. */
export function time(ms) {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)}\u00a0ms`;
}

function layout(width, names) {
  const size = width < 420 ? 11 : 12;
  const edge = Math.max(33, width * 0.09);
  const parts = names === NAMES ? PARTS : names.map((_, index) => index / (names.length - 1));
  const columns = parts.map((part) => edge + part * (width - 2 * edge));
  const letters = Math.floor((width - 8) / (size * LETTER));
  // With many participants, a long text would reach beyond its arrow, over participants that it does not concern.
  return { width, size, names, columns, y: HEAD, letters, least: names === NAMES ? letters : 22 };
}

function participant(x, name, { size }) {
  const wide = name.length * size * LETTER + 14;
  return s(
    "g",
    { class: "participant" },
    s("rect", { x: x - wide / 2, y: 1, width: wide, height: 26, rx: 5 }),
    s("text", { x, y: 18, "font-size": size, "text-anchor": "middle" }, name),
  );
}

function drawn(exchange, space) {
  const group = s("g", { class: `exchange ${exchange.lane} ${exchange.thief ? "thief" : ""}` });
  for (const arrow of exchange.arrows) {
    group.append(...(arrow.source === arrow.target ? noted(arrow, space) : sent(arrow, exchange, space)));
  }
  space.y += GAP;
  return group;
}

function sent(arrow, { lane }, space) {
  const [from, to] = [arrow.source, arrow.target].map((name) => space.columns[space.names.indexOf(name)]);
  const [first] = space.names;
  const answer = arrow.target === first;
  const asks = arrow.source === first || answer || arrow.detail;
  const time_ = arrow.ms == null ? "" : time(arrow.ms);
  const more = [arrow.detail, time_].filter(Boolean).join(" · ");
  const said = asks ? [arrow.text, more] : [[arrow.text, time_].filter(Boolean).join(" · ")];
  const long = Math.max(space.least, Math.floor(Math.abs(to - from) / (space.size * LETTER)));
  const texts = written(said, (from + to) / 2, Math.min(long, space.letters), space);
  const y = (space.y += 4);
  space.y += GAP;
  const way = Math.sign(to - from);
  const head = `${to},${y} ${to - way * 8},${y - 4} ${to - way * 8},${y + 4}`;
  return [
    ...texts,
    s("line", { class: answer ? "arrow answer" : "arrow", x1: from, x2: to - way * 6, y1: y, y2: y }),
    s("polygon", { class: "head", points: head }),
    node(from, y, lane),
  ];
}

function node(x, y, lane) {
  return lane === "token"
    ? s("circle", { class: "node", cx: x, cy: y, r: 4 })
    : s("rect", { class: "node", x: x - 4, y: y - 4, width: 8, height: 8 });
}

function noted(arrow, space) {
  const text = [arrow.text, arrow.ms == null ? "" : time(arrow.ms)].filter(Boolean).join(" · ");
  const wide = text.length * space.size * LETTER + 14;
  const x = clamp(space.columns[space.names.indexOf(arrow.source)], wide, space);
  const y = space.y;
  space.y += LINE + 14;
  return [
    s("rect", { class: "self", x: x - wide / 2, y: y + 2, width: wide, height: LINE + 6, rx: 4 }),
    s("text", { x, y: y + LINE + 1, "font-size": space.size, "text-anchor": "middle" }, text),
  ];
}

// Text stands above the middle of its arrow, or beside it where it would leave the picture.
function written(said, middle, letters, space) {
  return said.flatMap((text, index) =>
    wrapped(text, letters).map((line) => {
      space.y += LINE;
      const x = clamp(middle, line.length * space.size * LETTER, space);
      const kind = index ? "detail" : "said";
      return s("text", { class: kind, x, y: space.y - 2, "font-size": space.size, "text-anchor": "middle" }, line);
    }),
  );
}

function clamp(middle, wide, { width }) {
  return Math.min(Math.max(middle, wide / 2 + 4), width - wide / 2 - 4);
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
