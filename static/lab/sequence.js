/**
 * Draws recorded exchanges (as GET /lab/runs/… gives them) as a sequence diagram: <sequence-diagram>, then `show()`.
 * A page that uses it puts the same in words beside it: `transcript`.
 */
import { h, s } from "./dom.js";

const NAMES = ["Browser", "Django", "Redis", "SQL"];
// Between the browser and the server there is the most to say.
const PARTS = [0, 0.46, 0.76, 1];
// In the units of a page whose text is 16px high. A monospaced letter is 0.6 of its height wide.
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
 * The diagram as an SVG element, so many CSS pixels wide. What it shows is said by the label around it. `names` are the
 * participants; the first of them asks.
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

/** The same in words, as the items of an ordered list. */
export function transcript(exchanges) {
  return exchanges.flatMap(({ arrows }) =>
    arrows.map((arrow) => {
      const where = arrow.source === arrow.target ? arrow.source : `${arrow.source} → ${arrow.target}`;
      const more = [arrow.detail, arrow.ms == null ? "" : time(arrow.ms)].filter(Boolean).join(", ");
      return h("li", {}, h("span", { class: "where" }, where), " ", h("strong", {}, arrow.text), more && ` ${more}`);
    }),
  );
}

/** Milliseconds for people, in one piece. */
export function time(ms) {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)}\u00a0ms`;
}

function layout(width, names) {
  const size = width < 420 ? 11 : 12;
  const edge = Math.max(33, width * 0.09);
  const parts = names === NAMES ? PARTS : names.map((_, index) => index / (names.length - 1));
  const columns = parts.map((part) => edge + part * (width - 2 * edge));
  const letters = Math.floor((width - 8) / (size * LETTER));
  // Among many participants a long text would seem to be said to those beyond its arrow.
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

// Text stands over its arrow, and moves aside where it would leave the picture.
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
