// Keys, copying, theme. Everything else is links, forms and htmx.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const status = (text) => { $("#status").textContent = text; };

  function rows() { return [...document.querySelectorAll("[data-rows] tbody tr")].filter((row) => $("a", row)); }

  function move(step) {
    const link = $(step > 0 ? "a[data-next-row]" : "a[data-previous-row]");
    if (link) { link.click(); return; }
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const to = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
    $("a", all[to]).focus();
    all[to].scrollIntoView({ block: "nearest" });
  }

  function mark() {
    const form = $("#mark");
    if (form) { form.open = true; ($("input:checked", form) || $("input", form)).focus(); return; }
    const row = rows().find((one) => one.contains(document.activeElement));
    if (row) location.href = `${$("a", row).href}#mark`;
  }

  const actions = {
    j: () => move(1),
    k: () => move(-1),
    n: () => $("a[rel=next]")?.click(),
    p: () => $("a[rel=prev]")?.click(),
    "/": () => ($("[data-search]") || $("input, textarea", $("main")))?.focus(),
    m: mark,
    t: () => { for (const one of document.querySelectorAll("details.thinking")) one.open = !one.open; },
    "?": () => $("#help").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.target.form?.requestSubmit();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || $("#help").open) return;
    const field = event.target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select");
    if (field) {
      if (event.key === "Escape") field.blur();
      return;
    }
    const action = actions[event.key];
    if (action) { event.preventDefault(); action(); }
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      status("Copied");
    } catch {
      status("The browser refused to copy; select the text instead");
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  document.addEventListener("DOMContentLoaded", () => {
    $("#help-button").addEventListener("click", () => $("#help").showModal());
    $("#theme").addEventListener("click", () => {
      const root = document.documentElement;
      const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
      const next = (root.dataset.theme || system) === "dark" ? "light" : "dark";
      root.dataset.theme = next;
      localStorage.setItem("dqdata-theme", next);
    });
    setRich(document);
  });
  // After the browser has moved the focus to the fragment of the address, which it can't focus.
  addEventListener("load", () => { if (location.hash === "#mark") setTimeout(mark); });
  document.addEventListener("htmx:afterSwap", () => setRich(document));
})();
