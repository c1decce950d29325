// Light or dark as the person chose it, before anything is drawn; without a choice the system's.
(() => {
  const chosen = localStorage.getItem("dqdata-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
