// The page at `/`: searches and asks the service that it came from. All text of papers enters the
// page as text, never as HTML.
"use strict";

const byId = (id) => document.getElementById(id);
const form = byId("form");
const status = byId("status");
let under_way = null;

function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function say(text, wrong = false) {
  status.textContent = text;
  status.className = wrong ? "wrong" : "";
}

function link(url, text) {
  const safe = /^https?:\/\//i.test(url || "");
  const made = element(safe ? "a" : "span", text);
  if (safe) {
    made.href = url;
    made.rel = "noopener noreferrer";
    made.target = "_blank";
  }
  return made;
}

async function get(path, values) {
  under_way?.abort();
  const mine = new AbortController();
  under_way = mine;
  const given = Object.entries(values).filter(([, value]) => value);
  const headers = byId("key").value ? { "x-api-key": byId("key").value } : {};
  const answer = await fetch(`${path}?${new URLSearchParams(given)}`, {
    headers, signal: mine.signal,
  });
  if (answer.ok) return answer;
  if (answer.status === 403) {
    byId("key").hidden = false;
    document.querySelector("label.key").hidden = false;
    byId("key").focus();
  }
  const body = await answer.json().catch(() => ({}));
  throw new Error(answer.status === 403 ? "This service wants a key." : body.error || body.message);
}

async function guarded(work) {
  try {
    await work();
  } catch (error) {
    if (error.name !== "AbortError") say(error.message || "The service did not answer.", true);
  }
}

function card(hit) {
  const made = element("li", "", "card");
  const title = element("h2");
  title.append(link(hit.url || (hit.doi && `https://doi.org/${hit.doi}`), hit.title || hit.paper_id));
  const place = [hit.authors.slice(0, 4).join(", "), hit.venue, hit.year].filter(Boolean);
  const bar = element("div", "", "bar");
  const parts = [];
  for (const [name, signal] of Object.entries(hit.signals)) {
    if (!signal.share) continue;
    const part = element("i", "", /^\w+$/.test(name) ? name : "");
    part.style.width = `${100 * signal.share}%`;
    bar.append(part);
    parts.push(`${name} ${Math.round(100 * signal.share)} %`);
  }
  bar.title = parts.join(", ");
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", bar.title);
  made.append(title, element("p", place.join(" · "), "place"), element("p", hit.passage.text), bar);
  return made;
}

async function search() {
  const query = byId("query").value.trim();
  if (!query) return;
  say("Searching…");
  const answer = await get("/search", { query, k: 20, year: byId("year").value });
  const found = await answer.json();
  byId("answer").hidden = true;
  byId("hits").replaceChildren(...found.hits.map(card));
  const time = found.timings_ms.total.toFixed(0);
  say(`${found.hits.length} of ${found.papers_found} papers. ${found.notes.join(" ")} ${time} ms.`);
}

function events(text) {
  // Blocks end with an empty line; what is left of one comes first in the next piece.
  const blocks = text.split("\n\n");
  const rest = blocks.pop();
  const found = blocks.map((block) => {
    const data = block.split("\n").find((line) => line.startsWith("data: "));
    const kind = block.split("\n").find((line) => line.startsWith("event: "));
    return [kind?.slice(7), data ? JSON.parse(data.slice(6)) : {}];
  });
  return [found, rest];
}

async function ask() {
  const question = byId("query").value.trim();
  if (!question) return;
  say("Reading…");
  const box = byId("answer");
  box.replaceChildren();
  box.hidden = false;
  byId("hits").replaceChildren();
  const answer = await get("/ask", { question, year: byId("year").value });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const papers = new Map();
  let section = -1, titles = [], cited = new Map(), rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    let found;
    [found, rest] = events(rest + value);
    for (const [kind, event] of found) {
      if (kind === "found") event.papers.forEach((paper) => papers.set(paper.id, paper));
      if (kind === "outlined") {
        titles = event.outline.plans.map((plan) => plan.title);
        event.outline.plans.flatMap((plan) => plan.quotes).forEach((q) => cited.set(q.id, q));
      }
      if (kind === "wrote") {
        if (event.section !== section) {
          section = event.section;
          box.append(element("h3", titles[section] || ""));
        }
        const line = element("p", event.sentence.text);
        const ids = new Set(event.sentence.citations.map((name) => cited.get(name)?.paper_id));
        for (const paper of [...ids].map((id) => papers.get(id)).filter(Boolean)) {
          const url = paper.url || (paper.doi && `https://doi.org/${paper.doi}`);
          line.append(" ", link(url, `[${paper.title}]`));
        }
        box.append(line);
      }
      if (kind === "declined") box.append(element("p", `No answer: ${event.reason}`));
      if (kind === "error") throw new Error(event.error || event.message);
      if (kind === "done") say(`${(event.timings_ms.total / 1000).toFixed(1)} s`);
    }
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(search);
});
byId("ask").addEventListener("click", () => guarded(ask));
fetch("/health/ready").then((answer) => answer.json()).then((ready) => {
  if (ready.corpus?.open) byId("corpus").textContent = `${ready.corpus.papers} papers`;
}).catch(() => {});
