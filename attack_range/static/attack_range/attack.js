/** Runs the cases of an attack one after another and shows the server's result beside each. Without JavaScript, one form
 * runs all of them. */

import { h } from "../lab/dom.js";

const form = document.querySelector("form[data-run]");
const button = form.querySelector("button");
const stop = document.querySelector("[data-stop]");
const reset = document.querySelector("form[data-reset] button");
const status = document.querySelector("[data-status]");
const progress = document.querySelector("progress");
const cases = [...new Set([...document.querySelectorAll("[data-case]")].map((place) => place.dataset.case))];
let running = false;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) run();
});
stop.addEventListener("click", () => {
  running = false;
  status.textContent = "Stopping after this case …";
});

async function run() {
  const results = [];
  start();
  try {
    for (const name of cases) {
      if (!running) break;
      results.push(await ask(name));
      show(results.at(-1));
      progress.value = results.length;
      if (running) status.textContent = `${results.length} of ${cases.length}`;
    }
    await showWhatTheServerKeeps();
    status.textContent = summary(results);
  } catch (problem) {
    status.textContent = `${problem.message} Stopped after ${results.length} of ${cases.length}.`;
  }
  end();
}

function start() {
  running = button.disabled = reset.disabled = true;
  stop.hidden = progress.hidden = false;
  for (const part of document.querySelectorAll("details[data-results]")) part.open = true;
  progress.max = cases.length;
  progress.value = 0;
  status.textContent = `0 of ${cases.length}`;
  stop.focus();
}

function end() {
  running = button.disabled = reset.disabled = false;
  // A hidden button loses the focus. Without this, the keyboard would start again at the top of the page.
  if (document.activeElement === stop) button.focus();
  stop.hidden = progress.hidden = true;
}

async function ask(name) {
  const body = JSON.stringify({ cases: [name] });
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(form.dataset.run, { method: "POST", headers, body }).catch(() => null);
  const answer = await response?.json().catch(() => null);
  if (!response?.ok) throw new Error(answer?.error ?? "The range cannot be reached right now.");
  return answer.cases[0];
}

function show(result) {
  for (const place of document.querySelectorAll(`[data-case="${result.id}"]`)) {
    const { yes, no } = place.dataset;
    place.replaceChildren(
      h("span", { class: result.succeeded ? "worked" : "failed" }, result.succeeded ? yes : no), " ",
      h("span", { class: `mark ${result.as_expected ? "yes" : "no"}` },
        result.as_expected ? "as expected" : "not as expected"));
  }
  for (const place of document.querySelectorAll(`[data-seen="${result.id}"]`)) place.textContent = result.seen;
}

/** The server draws the score and the histograms, so this page takes them from a new copy of itself. */
function showWhatTheServerKeeps() {
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.pathname);
    request.responseType = "document";
    request.onloadend = () => {
      for (const name of ["[data-score]", "[data-plots]"]) {
        const fresh = request.response?.querySelector(name);
        if (fresh) document.querySelector(name).replaceWith(document.adoptNode(fresh));
      }
      done();
    };
    request.send();
  });
}

function summary(results) {
  const good = results.filter((result) => result.as_expected).length;
  const many = results.length < cases.length ? `Stopped after ${results.length} of ${cases.length}: ` : "Done: ";
  return `${many}${good} of ${results.length} as expected.`;
}
