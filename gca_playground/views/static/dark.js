// Is the page dark, and when does that change. The answer stands on the root element, where the style sheets see it.

function darkByFlag() {
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "false";
  if (vscodeThemeKind) return /dark$|contrast$/.test(vscodeThemeKind);
  return null;
}

function darkByBackground(element) {
  const parts = getComputedStyle(element).backgroundColor.match(/[\d.]+/g)?.map(Number);
  if (!parts || parts.length < 3 || parts[3] === 0) return null;
  return parts[0] + parts[1] + parts[2] < 384;
}

function isDark() {
  return (
    darkByFlag() ??
    darkByBackground(document.body) ??
    darkByBackground(document.documentElement) ??
    matchMedia("(prefers-color-scheme: dark)").matches
  );
}

// Calls back with true or false now, and at every change until the signal says stop.
function watchDark(callback, signal) {
  let last = null;
  const look = () => {
    const dark = isDark();
    document.documentElement.dataset.gcaTheme = dark ? "dark" : "light";
    if (dark !== last) callback((last = dark));
  };
  const observer = new MutationObserver(look);
  const attributeFilter = ["class", "style", "theme", "data-jp-theme-light", "data-theme", "data-vscode-theme-kind"];
  for (const element of [document.documentElement, document.body]) {
    observer.observe(element, { attributes: true, attributeFilter });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", look, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  look();
}
