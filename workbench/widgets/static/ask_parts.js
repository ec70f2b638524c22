// What an answer is made of on the page: chips, the quote in its paragraph, sentences, evidence.

const around = (quote) => [
  h("span", { class: "wb-around" }, quote.before), h("mark", {}, quote.text),
  h("span", { class: "wb-around" }, quote.after)];

const source = (quote) => h("div", { class: "wb-source", dir: "auto" },
  h("b", {}, quote.title), quote.place ? ` · ${quote.place}` : "", ` · ${quote.where}`);

// One paragraph at a time, beside the chip that is pointed at or focused.
function createPopover(root) {
  const box = h("div", { class: "wb-pop", role: "tooltip", id: uniqueId("quote"), hidden: true });
  root.append(box);
  let shownBy = null;
  const hide = () => {
    box.hidden = true;
    shownBy?.removeAttribute("aria-describedby");
    shownBy = null;
  };
  const show = (chip, quote) => {
    hide();
    shownBy = chip;
    chip.setAttribute("aria-describedby", box.id);
    box.replaceChildren(source(quote), h("p", { dir: "auto" }, around(quote)));
    box.hidden = false;
    const frame = root.getBoundingClientRect(), at = chip.getBoundingClientRect();
    const width = Math.min(520, frame.width - 16);
    box.style.width = `${width}px`;
    box.style.left = `${Math.max(8, Math.min(at.left - frame.left - 24, frame.width - width - 8))}px`;
    box.style.top = `${at.bottom - frame.top + 6}px`;
  };
  return { show, hide };
}

function createChip(app, id) {
  const quote = app.answer.quotes[id];
  if (!quote) return "";
  const chip = h("button", {
    class: "wb-chip", type: "button", "data-quote": id, "data-key": `chip-${id}`,
    "aria-label": `Quote ${quote.number}, ${quote.title}`,
    onmouseenter: () => app.point(chip, id), onmouseleave: () => app.unpoint(),
    onfocus: () => app.point(chip, id), onblur: () => app.unpoint(),
    onclick: () => app.reveal(id),
    onkeydown: (event) => { if (event.key === "Escape") app.unpoint(); },
  }, quote.number);
  return chip;
}

// The last word and its chips stay on one line.
const cited = (app, sentence) => {
  const at = sentence.text.lastIndexOf(" ") + 1;
  return [sentence.text.slice(0, at), h("span", { class: "wb-end" }, sentence.text.slice(at),
    sentence.citations.map((id) => createChip(app, id)))];
};

function createSentence(app, sentence) {
  if (!sentence.problem) return h("p", { dir: "auto" }, cited(app, sentence));
  return h("p", { dir: "auto", class: "wb-doubt" }, cited(app, sentence),
    h("span", { class: "wb-source" }, ` Not supported: ${sentence.problem}`));
}

function createEvidence(app, id) {
  const quote = app.answer.quotes[id], { accepted, rejected } = app.answer;
  const verdict = rejected.includes(id) ? "rejected" : accepted.includes(id) ? "accepted" : "";
  const button = (text, value, said) => h("button", {
    class: "wb-button wb-verdict", type: "button", "data-key": `${value}-${id}`,
    "aria-pressed": String(verdict === value), "aria-label": `${said} quote ${quote.number}`,
    disabled: !app.answer.number,
    onclick: () => app.judge(id, verdict === value ? "" : value),
  }, text);
  return h("li", { class: `wb-quote${verdict ? ` wb-${verdict}` : ""}`, "data-quote": id, tabindex: "-1" },
    h("span", { class: "wb-number" }, quote.number),
    h("div", { class: "wb-told" }, source(quote), h("p", { dir: "auto" }, around(quote))),
    h("div", { class: "wb-verdicts", role: "group", "aria-label": `Verdict on quote ${quote.number}` },
      button("Accept", "accepted", "Accept"), button("Reject", "rejected", "Reject")));
}

function createSection(app, section, number) {
  const names = [...new Set(section.sentences.flatMap((sentence) => sentence.citations))];
  const by = section.writer ? `, written by ${section.writer}` : "";
  const count = h("span", { class: "wb-count" }, ` ${names.length} ${names.length === 1 ? "quote" : "quotes"}${by}`);
  const details = h("details", { class: "wb-section", "data-section": String(number) },
    h("summary", { dir: "auto", "data-key": `section-${number}` }, section.title, count),
    section.sentences.map((sentence) => createSentence(app, sentence)),
    h("ol", { class: "wb-evidence", role: "list", "aria-label": `Quotes of ${section.title}` },
      names.filter((id) => app.answer.quotes[id]).map((id) => createEvidence(app, id))));
  details.open = !app.closed.has(section.title);
  details.addEventListener("toggle", () => {
    if (details.open) app.closed.delete(section.title);
    else app.closed.add(section.title);
  });
  return details;
}

function createAnswer(app) {
  const { answer } = app;
  if (!answer.question) return [];
  const parts = [h("h3", { class: "wb-question", dir: "auto" }, answer.question)];
  for (const note of answer.notes) parts.push(...messageBox({ kind: "note", text: note }));
  if (answer.declined) {
    parts.push(h("div", { class: "wb-message wb-note" }, h("b", {}, "No answer: "), answer.declined));
    if (answer.nearest.length)
      parts.push(h("h4", {}, "Nearest in the corpus"), h("ul", { class: "wb-nearest" },
        answer.nearest.map((near) => h("li", { dir: "auto" }, near.text, h("div", { class: "wb-source" },
          h("b", {}, near.title), near.place ? ` · ${near.place}` : "")))));
  }
  if (answer.tldr.length)
    parts.push(h("ul", { class: "wb-tldr", "aria-label": "In short" },
      answer.tldr.map((sentence) => h("li", { dir: "auto" }, cited(app, sentence)))));
  parts.push(...answer.sections.map((section, number) => createSection(app, section, number)));
  if (answer.rejected.length)
    parts.push(h("div", { class: "wb-section" }, h("h4", {}, "Rejected"),
      h("ol", { class: "wb-evidence", role: "list", "aria-label": "Rejected quotes" },
        answer.rejected.map((id) => createEvidence(app, id)))));
  if (answer.number) parts.push(h("div", { class: "wb-foot" }, answer.foot));
  return parts;
}
