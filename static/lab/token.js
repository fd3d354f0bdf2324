/** Reads the token while the user types, and sends it nowhere. The buttons still send it to the server. */
import { h } from "./dom.js";

const NAMES = ["header", "payload", "signature"];
const TIME_CLAIMS = { iat: "issued", nbf: "not before", exp: "expires", auth_time: "password last proved" };
const UNITS = [[31536000, "year"], [86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
const HASHES = { HS256: "SHA-256", HS384: "SHA-384", HS512: "SHA-512" };

const form = document.getElementById("token-form");
const place = document.querySelector("[data-reading]");
const status = document.querySelector("[data-status]");
document.querySelector("[data-live]").hidden = false;

let turn = 0;
form.addEventListener("input", async () => {
  const mine = ++turn;
  const text = form.token.value;
  const parts = text.trim() ? await describeToken(text, form.secret.value) : [];
  if (mine !== turn) return; // the visitor typed more while the signature was computed
  place.replaceChildren(...parts);
  status.textContent = parts.length ? "Read in this page." : "";
});

async function describeToken(text, secret) {
  const remarks = [];
  const segments = stripSurroundings(text, remarks).split(".");
  if (segments.length !== 3) remarks.push(`${segments.length} segment${segments.length === 1 ? "" : "s"}, where a signed token has three.`);
  const [header, payload] = [0, 1].map((n) => parseSegment(NAMES[n], segments[n], remarks));
  if (segments.length > 2) decodeSegment("signature", segments[2], remarks);
  const times = readTimes(payload, remarks);
  return [
    h("p", { class: "jwt-text" }, ...segments.flatMap((segment, n) => [n ? "." : "", h("span", { class: `jwt-${NAMES[n] ?? "more"}` }, segment)])),
    h("div", { class: "beside" }, block("Header", indented(header)), block("Payload", indented(payload))),
    block("Signature", segments[2] || "There is none."),
    times.length ? h("h3", {}, "Times") : null,
    times.length ? h("dl", { class: "facts" }, ...times) : null,
    h("h3", {}, "Its form"),
    remarks.length ? h("ul", {}, ...remarks.map((remark) => h("li", {}, remark))) : h("p", {}, "Three segments of base64url, two of them JSON objects."),
    h("p", {}, "Read without a key: this says nothing about whether it is valid."),
    ...(secret && segments.length === 3 ? await trySecret(segments, header, secret) : []),
  ].filter(Boolean);
}

function stripSurroundings(text, remarks) {
  const found = text.trim();
  const plain = found.replace(/^(authorization:\s*)?bearer\s+/i, "");
  if (plain !== found) remarks.push("“Bearer” stood in front of it: that belongs to the header, not to the token.");
  if (/\s/.test(plain)) remarks.push("There were blanks or line breaks inside; a strict reader refuses them.");
  return plain.replace(/\s+/g, "");
}

function decodeSegment(name, segment, remarks) {
  if (!segment) return void remarks.push(`The ${name} is empty.${name === "signature" ? " This token is not signed." : ""}`);
  if (segment.endsWith("=")) remarks.push(`The ${name} is padded with “=”; base64url in a token has no padding.`);
  if (/[+/]/.test(segment)) remarks.push(`The ${name} uses the “+” and “/” of ordinary base64.`);
  const plain = segment.replace(/=+$/, "").replaceAll("+", "-").replaceAll("/", "_");
  if (!/^[A-Za-z0-9_-]+$/.test(plain) || plain.length % 4 === 1) return void remarks.push(`The ${name} is not base64url.`);
  const data = Uint8Array.from(atob(plain.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  if (base64url(data) !== plain) remarks.push(`The last character of the ${name} has unused bits set: another spelling of the same bytes.`);
  return data;
}

function parseSegment(name, segment, remarks) {
  const data = segment === undefined ? undefined : decodeSegment(name, segment, remarks);
  if (!data) return undefined;
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
    if (!isObject(value)) remarks.push(`The ${name} is JSON, but not an object.`);
    return value;
  } catch {
    return void remarks.push(`The ${name} is not JSON.`);
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function readTimes(payload, remarks) {
  if (!isObject(payload)) return [];
  if (!Object.hasOwn(payload, "exp")) remarks.push("There is no exp: this token would never expire.");
  return Object.entries(TIME_CLAIMS).filter(([claim]) => Object.hasOwn(payload, claim)).map(([claim, meaning]) => {
    const value = payload[claim];
    if (typeof value !== "number" || !(value >= 0 && value < 2 ** 37)) {
      return void remarks.push(`${claim} is not a time: it should be a number of seconds since 1970.`);
    }
    const at = new Date(value * 1000);
    const [, day, month, year, clock] = at.toUTCString().split(" ");
    const words = `${Number(day)} ${month} ${year}, ${clock} UTC `;
    return h("div", {}, h("dt", {}, h("code", {}, claim)), h("dd", {}, words, h("small", {}, `${meaning}, ${distanceFromNow(value)}`)));
  }).filter(Boolean);
}

function distanceFromNow(value) {
  const seconds = Math.trunc(value - Date.now() / 1000);
  const [size, name] = UNITS.find(([span]) => Math.abs(seconds) >= span) ?? [];
  if (!size) return "now";
  const number = Math.trunc(Math.abs(seconds) / size);
  const words = `${number.toLocaleString("en")} ${name}${number === 1 ? "" : "s"}`;
  return seconds > 0 ? `in ${words}` : `${words} ago`;
}

const block = (name, text) =>
  h("div", { class: `jwt-part ${name.toLowerCase()}` }, h("h3", {}, name),
    h("pre", { tabindex: "0", role: "region", "aria-label": name }, h("code", {}, text)));

const indented = (value) => (value === undefined ? "Nothing that can be read." : JSON.stringify(value, null, 2));

async function trySecret([head, body, sent], header, secret) {
  const title = h("h3", {}, "The signature under that secret");
  if (!globalThis.crypto?.subtle) return [title, h("p", {}, "This browser can try a secret only over https or on localhost.")];
  const { alg } = isObject(header) ? header : {};
  if (!Object.hasOwn(HASHES, alg)) return [title, h("p", {}, "The header names no HMAC, so no secret can be tried.")];
  const encode = (text) => new TextEncoder().encode(text);
  const key = await crypto.subtle.importKey("raw", encode(secret), { name: "HMAC", hash: HASHES[alg] }, false, ["sign"]);
  const computed = base64url(new Uint8Array(await crypto.subtle.sign("HMAC", key, encode(`${head}.${body}`))));
  const same = computed === sent;
  return [
    title,
    h("p", { class: `mark ${same ? "yes" : "no"}` }, same ? "The same: this secret signed this token." : "Another: this secret did not sign this token."),
    h("p", {}, `${alg} gives `, h("code", {}, computed)),
  ];
}

const base64url = (data) => btoa(String.fromCharCode(...data)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
