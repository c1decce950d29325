// Sets formulas and code. Both get plain text: KaTeX builds elements without links or files (trust is off), and styles
// them through the DOM, which the policy of the page admits; the highlighter escapes what it reads.
(() => {
  // Their MathML carries a style attribute, which the policy refuses.
  const STYLED = /\\(fcolorbox|pmb)(?![A-Za-z])/;

  function formula(node) {
    const tex = node.textContent;
    try {
      katex.render(tex, node, {
        displayMode: node.dataset.display === "1",
        output: STYLED.test(tex) ? "html" : "htmlAndMathml",
        throwOnError: true, strict: "ignore", trust: false, maxSize: 20, maxExpand: 200,
      });
      if (STYLED.test(tex)) { node.setAttribute("role", "img"); node.setAttribute("aria-label", tex); }
    } catch {
      node.textContent = tex;
      node.classList.add("unset");
      node.title = "KaTeX can't set this formula";
    }
  }

  function block(node) {
    const language = node.dataset.language;
    if (node.textContent.length > 100000) return;
    if (language && hljs.getLanguage(language)) node.classList.add(`language-${language}`);
    else if (language) return;
    hljs.highlightElement(node);
  }

  window.setRich = (root) => {
    for (const node of root.querySelectorAll(".formula:not([data-set])")) { node.dataset.set = "1"; formula(node); }
    for (const node of root.querySelectorAll("code.block:not([data-set])")) { node.dataset.set = "1"; block(node); }
  };
})();
