// Before anything is drawn: light or dark, as was chosen, or as the system has it.
"use strict";
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.documentElement.classList.toggle("dark-mode", (localStorage.getItem("docs.theme") ?? (system.matches ? "dark" : "light")) === "dark");
  apply();
  system.addEventListener("change", apply);
  addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      localStorage.setItem("docs.theme", document.documentElement.classList.contains("dark-mode") ? "light" : "dark");
      apply();
    });
  });
})();
