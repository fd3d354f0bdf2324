/** Measures without leaving the page, and draws the result. The two files stay downloads, as without JavaScript. */
import { h, numbersRow, s, submit } from "./dom.js";

const form = document.querySelector("#measure");
const status = document.querySelector("#status");
let busy = false;

form.addEventListener("submit", async (event) => {
  if (event.submitter && event.submitter.value !== "html") return;
  event.preventDefault();
  if (busy) return;
  busy = true;
  say("Measuring …");
  try {
    draw((await submit(form)).report);
  } catch (error) {
    say(error.message);
  }
  busy = false;
});

function say(text) {
  status.hidden = false;
  status.textContent = text;
}

function draw(report) {
  document.querySelector("#bars").replaceChildren(...report.bars.map(bar));
  document.querySelector("#heading").replaceChildren(...report.heading.map((name) => h("th", { role: "columnheader", scope: "col" }, name)));
  document.querySelector("#rows").replaceChildren(...report.rows.map(([name, cells]) => numbersRow(name, cells)));
  document.querySelector("#caption").textContent = report.caption;
  document.querySelector("#result").hidden = false;
  say(`Measured in ${report.seconds} seconds.`);
}

function bar(mode) {
  const length = (name, width) => s("rect", { class: name, width, height: 22, rx: 4 });
  const times = h("p", {}, "p50 ", h("b", {}, `${mode.p50} ms`), `, p95 ${mode.p95} ms, ratio ${mode.ratio}`);
  const drawn = s("svg", { width: "100%", height: 22, "aria-hidden": "true" }, length("track", "100%"), length("tail", mode.most), length("alive", mode.half));
  return h("li", { class: mode.kind }, h("div", { class: "fate" }, h("h4", {}, mode.name), times), drawn);
}
