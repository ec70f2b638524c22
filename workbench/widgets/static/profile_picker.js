// The profile picker: a card a profile with what it would change; saving what is set now.

function render({ model, el }) {
  const parts = {
    message: h("div"),
    cards: h("div", { class: "wb-profiles", role: "list" }),
    now: h("span"),
    settings: h("tbody"),
    name: h("input", { class: "wb-input", type: "text", maxlength: "64", placeholder: "name", "aria-label": "Name of the new profile" }),
    save: h("button", { class: "wb-button wb-primary", type: "button", onclick: () => save(false) }, "Save"),
    measured: h("div", { class: "wb-soft wb-caption" }),
    exists: h("div", { class: "wb-message", role: "alert", hidden: true }),
  };
  // No form: what a page around the notebook does with its submission is not ours to know.
  parts.name.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); save(false); } });
  const form = h("div", { class: "wb-save", role: "group" },
    h("span", {}, "Save what is set now as"), parts.name, parts.save);
  const root = h("div", { class: "wb wb-picker", role: "region", "aria-label": "Profiles" },
    parts.message,
    h("details", { class: "wb-now" }, h("summary", {}, parts.now), h("table", {}, parts.settings)),
    parts.cards, parts.measured, form, parts.exists);
  el.replaceChildren(root);
  const kernel = kernelOf(model, root, () => { parts.exists.hidden = true; parts.message.replaceChildren(); });
  const { tell } = kernel;
  const release = holdKeys(root);

  function save(replace) {
    parts.exists.hidden = true;
    if (!parts.name.value.trim()) { parts.name.focus(); return; }
    tell({ type: "save", name: parts.name.value, replace });
  }
  function draw(message) {
    setText(parts.now, `Set now: ${message.current}${message.unsaved ? ", with changes that no profile has" : ""}`);
    parts.settings.replaceChildren(...message.settings.map(([name, value]) => h("tr", {}, h("td", {}, name), h("td", { dir: "auto" }, value))));
    setText(parts.measured, message.measured);
    const focused = document.activeElement?.dataset?.use;
    parts.cards.replaceChildren(...message.profiles.map(card));
    if (focused) [...parts.cards.querySelectorAll("button")].find((b) => b.dataset.use === focused)?.focus();
  }
  function card(profile) {
    const title = h("div", { class: "wb-profile-head" },
      h("b", { dir: "auto" }, profile.name),
      h("span", { class: "wb-tag" }, profile.own ? "yours" : "built in"),
      profile.same ? h("span", { class: "wb-tag wb-in-use" }, "as set now") : "",
      h("button", { class: "wb-button", type: "button", disabled: profile.same || Boolean(profile.problem), "data-use": profile.name, "aria-label": `Use ${profile.name}`, onclick: () => tell({ type: "pick", name: profile.name }) }, "Use"));
    return h("div", { class: `wb-profile${profile.same ? " wb-same" : ""}`, role: "listitem", "data-profile": profile.name },
      title, measured(profile), profile.problem ? h("div", { class: "wb-message wb-error", dir: "auto" }, profile.problem) : changes(profile));
  }
  function measured(profile) {
    if (!profile.measured.length) return "";
    return h("div", { class: "wb-measured" },
      profile.measured.map(([what, value]) => h("span", {}, h("span", { class: "wb-soft" }, `${what} `), value)),
      profile.front ? h("span", { class: "wb-tag wb-front", title: "No other measured profile is at least as good in everything and better in something" }, "no other beats it") : "");
  }
  function changes(profile) {
    if (!profile.changes.length) return h("div", { class: "wb-soft" }, "Changes nothing.");
    const rows = profile.changes.map((change) => h("tr", {},
      h("td", {}, change.setting), h("td", { class: "wb-soft" }, change.mine), h("td", { "aria-hidden": "true" }, "→"), h("td", {}, change.other)));
    const few = h("table", { class: "wb-changes" }, h("tbody", {}, rows.slice(0, 4)));
    if (rows.length <= 4) return few;
    return [few, h("details", {}, h("summary", {}, `${rows.length - 4} further changes`), h("table", { class: "wb-changes" }, h("tbody", {}, rows.slice(4))))];
  }
  const heard = {
    profiles: draw,
    message(message) { parts.message.replaceChildren(...messageBox(message.message)); if (message.message.kind !== "error") parts.name.value = ""; },
    exists(message) {
      parts.exists.hidden = false;
      parts.exists.replaceChildren(
        h("span", { dir: "auto" }, `There is a profile ${message.name} of yours with other settings. `),
        h("button", { class: "wb-button", type: "button", onclick: () => save(true) }, "Replace it"), " ",
        h("button", { class: "wb-button", type: "button", onclick: () => { parts.exists.hidden = true; parts.name.select(); } }, "Keep it"));
      parts.exists.querySelector("button").focus();
    },
  };
  const take = (message) => heard[message.type]?.(message);
  model.on("msg:custom", take);
  // Seen again, in a tab of a panel or scrolled back to: what is set may have changed meanwhile.
  const seen = new IntersectionObserver((entries) => {
    if (entries.at(-1).isIntersecting) tell({ type: "hello" });
  });
  seen.observe(el);
  return () => { release(); seen.disconnect(); model.off("msg:custom", take); kernel.close(); };
}

export default { render };
