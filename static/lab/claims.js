/** Runs proofs one after another and shows each result beside its claim. Without JavaScript, each button sends a form. */

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

/** The buttons of the proofs that this button runs. */
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
  // A hidden button loses the focus. Without this, the keyboard would start again at the top of the page.
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
  seen.replaceChildren(...(result.needs ? missed(result) : seenNow(result)));
}

function seenNow(result) {
  return [
    h("p", {},
      h("strong", {}, "Seen just now."),
      result.failure ? ` The proof broke off: ${result.failure}` : " Verdict: ",
      result.failure ? null : verdict(result), " ",
      h("span", { class: "muted" }, `(${Math.round(result.ms)} ms)`)),
    items(result.evidence),
  ];
}

/** For a proof that cannot run here: what it needs, and its last recorded result. */
function missed({ needs, recorded }) {
  const what = h("p", {}, h("strong", {}, "Not run."), ` It needs ${needs}`);
  if (!recorded) return [what];
  const { problem, at, command, evidence } = recorded;
  const found = problem ? [` ${problem}`] : [` On ${at}: `, verdict(recorded), "."];
  const label = h("p", {},
    h("strong", {}, "Last recorded."), ...found, " To run it now, press Run, or in a terminal: ", h("code", {}, command));
  return problem ? [what, label] : [what, label, items(evidence)];
}

function verdict({ verdict }) {
  return h("span", { class: "verdict", "data-verdict": verdict }, verdict);
}

function items(evidence) {
  return h("ul", { class: "evidence", role: "list" }, ...evidence.map(item));
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
  const ran = [...results.values()].filter(({ needs }) => !needs);
  for (const field of document.querySelectorAll("[data-count]")) {
    const number = ran.filter(({ status }) => status === field.dataset.count).length;
    field.textContent = field.dataset.of ? field.dataset.of - ran.length : number;
  }
}

function summary(buttons) {
  const run = buttons.map((button) => results.get(button.dataset.run)).filter(Boolean);
  const wrong = run.filter(({ status }) => status === "contradicted").map(({ id }) => id);
  if (buttons.length === 1) {
    const [{ id, status, verdict, needs }] = run;
    return needs ? `${id}: ${status}. It needs ${needs}` : `${id}: ${status}. Verdict: ${verdict ?? "none"}.`;
  }
  const names = wrong.length ? ` (${wrong.join(", ")})` : "";
  const late = run.filter(({ needs }) => needs).length;
  const proved = run.length - wrong.length - late;
  const rest = late ? `, ${late} not proved yet` : "";
  return `${running ? "Done" : "Stopped"}: ${proved} proved, ${wrong.length} contradicted${names}${rest}.`;
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
