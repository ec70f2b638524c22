// Shortcuts that JupyterLab binds to the whole page, like Ctrl+S, Ctrl+B or Ctrl+Shift+C, work inside a
// widget too; those of its cells do not. All that is bound to the whole page is bound to `body`,
// so such a key is pressed there once more, where no cell is.
function passPageKey(event) {
  const whole = event.ctrlKey !== event.altKey || event.metaKey || /^F\d+$/.test(event.key);
  if (!whole || event.defaultPrevented || event.passedOn || event.isComposing) return;
  if (!event.target.closest?.(".wb")?.closest(".jp-Notebook")) return; // other pages have no such rule
  event.passedOn = true;
  const again = new KeyboardEvent("keydown", {
    key: event.key, code: event.code, keyCode: event.keyCode, location: event.location, repeat: event.repeat,
    ctrlKey: event.ctrlKey, altKey: event.altKey, metaKey: event.metaKey, shiftKey: event.shiftKey,
    bubbles: true, cancelable: true,
  });
  if (!document.body.dispatchEvent(again)) event.preventDefault(); // somebody took it
}
