/** Runs proofs one after another and writes what they saw beside each claim. Without it, each button is a form. */

import { h, submit } from "./dom.js";

const form = document.getElementById("run");
const status = document.querySelector("[data-status-line]");
const live = document.querySelector("[data-live]");
const progress = document.querySelector("progress");
const stop = document.querySelector("[data-stop]");
const results = new Map();
let running = false;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-run], [data-part], [data-all], [data-stop]");
  if (!button) return;
  event.preventDefault();
  if ("stop" in button.dataset) running = false;
  else if (!running) run([...runnable(button)], button);
});
if (live) live.hidden = false;

/** The buttons of the proofs that a button is about. */
function runnable({ dataset }) {
  if (dataset.run) return document.querySelectorAll(`[data-run="${dataset.run}"]`);
  const within = dataset.part ? document.getElementById(dataset.part) : document;
  return within.querySelectorAll("[data-run]");
}

async function run(buttons, pressed) {
  running = true;
  let done = 0;
  show(0, buttons.length);
  say(buttons.length > 1 ? `Running ${buttons.length} proofs.` : "Running.");
  try {
    for (const button of buttons) {
      if (!running) break;
      await prove(button);
      show(++done, buttons.length);
    }
    say(summary(buttons));
  } catch (problem) {
    say(`${problem.message} Stopped after ${done} of ${buttons.length}.`);
  }
  running = false;
  // A hidden button would take the focus with it.
  if (document.activeElement === stop) pressed.focus();
  show(0, 0);
}

async function prove(button) {
  const claim = document.getElementById(button.dataset.run);
  claim.setAttribute("aria-busy", "true");
  try {
    const result = await submit(form, {}, { action: button.formAction });
    results.set(result.id, result);
    fill(claim, result);
    count();
  } finally {
    claim.removeAttribute("aria-busy");
  }
}

function fill(claim, result) {
  const outcome = claim.querySelector(".outcome");
  outcome.dataset.status = outcome.textContent = result.status;
  outcome.closest("[data-outcome]").hidden = false;
  const seen = claim.querySelector("[data-result]");
  seen.hidden = false;
  seen.replaceChildren(
    h("p", {},
      h("strong", {}, "Seen just now."),
      result.failure ? ` The proof broke off: ${result.failure}` : " Verdict: ",
      result.failure ? null : h("span", { class: "verdict", "data-verdict": result.verdict }, result.verdict), " ",
      h("span", { class: "muted" }, `(${Math.round(result.ms)} ms)`)),
    h("ul", { class: "evidence", role: "list" }, ...result.evidence.map(item)),
  );
}

function item({ asked, seen, true: right, limit }) {
  return h("li", { "data-true": right ? "yes" : "no", "data-limit": limit },
    h("span", {}, limit ? h("strong", { class: "muted" }, "Limit: ") : null, asked), " ",
    h("span", { class: "visually-hidden" }, right ? "(as said)" : "(not as said)"), " ",
    h("code", {}, seen));
}

function count() {
  document.querySelector("[data-counts]")?.removeAttribute("hidden");
  const unrun = document.querySelector("[data-unrun]");
  if (unrun) unrun.textContent = ", and those counted above were run just now";
  for (const field of document.querySelectorAll("[data-count]")) {
    const number = [...results.values()].filter(({ status }) => status === field.dataset.count).length;
    field.textContent = field.dataset.of ? field.dataset.of - results.size : number;
  }
}

function summary(buttons) {
  const run = buttons.map((button) => results.get(button.dataset.run)).filter(Boolean);
  const wrong = run.filter(({ status }) => status === "contradicted").map(({ id }) => id);
  if (buttons.length === 1) return `${run[0].id}: ${run[0].status}. Verdict: ${run[0].verdict ?? "none"}.`;
  const names = wrong.length ? ` (${wrong.join(", ")})` : "";
  return `${running ? "Done" : "Stopped"}: ${run.length - wrong.length} proved, ${wrong.length} contradicted${names}.`;
}

function show(done, of) {
  if (!stop) return;
  stop.hidden = progress.hidden = of === 0;
  progress.max = of || 1;
  progress.value = done;
}

function say(text) {
  status.textContent = text;
}
