// Draws every figure of a page from the data beside it, in light or dark; no network, no kernel.
(function () {
  var root = document.documentElement;
  // A browser reads no other file of a disk, so a search there shows titles alone.
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  function recoloured(text) {
    if (root.dataset.theme !== "dark") return text;
    return text.replace(/("|color:)(#[0-9a-f]{6})(?=["; \\])/g, function (all, before, colour) {
      return before + (DARK[colour] || colour);
    });
  }

  function draw(place) {
    var old = place.querySelector("div"), node = old.cloneNode(false);
    node = document.createElement("div");
    node.style.minHeight = old.style.minHeight;
    old.replaceWith(node);
    var text = place.querySelector("script[type='application/json']").textContent;
    Plotly.newPlot(node, JSON.parse(recoloured(text))).then(function () { dressPlotly(node, Plotly); });
  }

  function drawAll() {
    document.querySelectorAll(".drawing").forEach(draw);
  }

  // What is wider than its place can be scrolled; then the keyboard must reach it.
  function reach() {
    document.querySelectorAll("math[display=block], .table, .output, .still").forEach(function (node) {
      if (node.scrollWidth > node.clientWidth) node.setAttribute("tabindex", "0");
    });
  }

  addEventListener("DOMContentLoaded", function () {
    drawAll();
    reach();
    addEventListener("resize", reach);
    var look = root.dataset.theme;
    new MutationObserver(function () {
      if (look === root.dataset.theme) return;
      look = root.dataset.theme;
      drawAll();
    }).observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  });
})();
