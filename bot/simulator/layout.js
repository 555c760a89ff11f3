// Light and dark, and the two panels beside the phones, which slide in on small screens.

const NARROW = matchMedia("(max-width: 860px)");
const STACKED = matchMedia("(max-width: 1180px)");

export function followTheme(button) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const shown = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
  if (remembered()) document.documentElement.dataset.theme = remembered();
  button.addEventListener("click", () => {
    const name = shown() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = name;
    try { localStorage.setItem("theme", name); } catch { /* private windows may forbid it */ }
  });
}

export function drawers({ side, trace, backdrop, fit }) {
  let opener = null;
  const is = (name) => document.body.classList.contains(name);
  const shade = () => { backdrop.hidden = !((NARROW.matches && is("side-open")) || (STACKED.matches && !trace.hidden)); };
  const remember = () => { opener = document.activeElement; };

  const showSide = () => {
    remember();
    document.body.classList.add("side-open");
    shade();
    side.querySelector("#close-side").focus();
  };
  const hideSide = () => {
    if (!is("side-open")) return;
    const inside = side.contains(document.activeElement);
    document.body.classList.remove("side-open");
    shade();
    if (inside) opener?.focus();
  };
  const showTrace = () => {
    if (!trace.hidden) return;
    remember();
    trace.hidden = false;
    document.body.classList.add("trace-open");
    shade();
    fit();
    if (STACKED.matches) trace.querySelector("#close-trace").focus();
  };
  const hideTrace = () => {
    if (trace.hidden) return;
    const inside = trace.contains(document.activeElement);
    trace.hidden = true;
    document.body.classList.remove("trace-open");
    shade();
    fit();
    if (inside) opener?.focus();
  };

  side.querySelector("#close-side").addEventListener("click", hideSide);
  trace.querySelector("#close-trace").addEventListener("click", hideTrace);
  backdrop.addEventListener("click", () => { hideSide(); hideTrace(); });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    hideSide();
    if (STACKED.matches || trace.contains(document.activeElement)) hideTrace();
  });
  STACKED.addEventListener("change", () => { if (STACKED.matches) hideTrace(); shade(); });
  NARROW.addEventListener("change", shade);
  addEventListener("resize", fit);
  return {
    showSide,
    hideSide,
    showTrace,
    toggleTrace: () => (trace.hidden ? showTrace() : hideTrace()),
    isStacked: () => STACKED.matches,
  };
}
