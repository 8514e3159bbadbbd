// JupyterLab's one-key shortcuts (arrows, Enter, letters) take a key before the focused control sees it, unless
// the control itself carries this mark. Ctrl+S and Shift+Enter stay JupyterLab's.
function ownKeys(owns, signal) {
  const mark = ({ target, key, ctrlKey, metaKey, altKey, shiftKey }) => {
    if (!(target instanceof Element) || !owns(target)) return;
    const theirs = ctrlKey || metaKey || altKey || (shiftKey && key === "Enter");
    target.toggleAttribute("data-lm-suppress-shortcuts", !theirs);
  };
  window.addEventListener("keydown", mark, { capture: true, signal });
}
