// Draws every figure of a lesson from the data beside it; no network, no kernel.
document.querySelectorAll(".drawing").forEach(function (place) {
  var figure = JSON.parse(place.querySelector("script[type='application/json']").textContent);
  var node = place.querySelector("div");
  Plotly.newPlot(node, figure).then(function () { dressPlotly(node, Plotly); });
});
// A formula that is wider than the page can be scrolled; then the keyboard must reach it.
function reachFormulas() {
  document.querySelectorAll("math[display=block]").forEach(function (formula) {
    if (formula.scrollWidth > formula.clientWidth) formula.setAttribute("tabindex", "0");
  });
}
reachFormulas();
addEventListener("resize", reachFormulas);
