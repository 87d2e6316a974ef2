"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const keep = (theme) => {
    try { localStorage.setItem("mediasense-theme", theme); } catch { /* a page without a store */ }
  };
  const kept = () => {
    try { return localStorage.getItem("mediasense-theme"); } catch { return null; }
  };
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => {
    if (button) button.lastChild.textContent = isDark() ? "Light" : "Dark";
  };
  const earlier = kept();
  if (earlier === "dark" || earlier === "light") root.dataset.theme = earlier;
  for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
  button?.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    keep(root.dataset.theme);
    show();
  });
  system.addEventListener("change", show);
  show();
  document.getElementById("print")?.addEventListener("click", () => print());
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
})();
