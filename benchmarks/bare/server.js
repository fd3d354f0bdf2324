// node:http without a framework: answers every request with the same small JSON.
const cluster = require("node:cluster");
const { createServer } = require("node:http");

const BODY = '{"status": "ok"}';
const workers = Number(process.env.WEB_WORKERS);

if (cluster.isPrimary && workers > 1) {
  for (let number = 0; number < workers; number += 1) cluster.fork();
} else {
  createServer((request, response) => {
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": BODY.length });
    response.end(BODY);
  }).listen(Number(process.env.PORT), "127.0.0.1");
}
