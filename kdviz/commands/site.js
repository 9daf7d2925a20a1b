// Draws every figure of a lesson from the data beside it; no network, no kernel.
document.querySelectorAll(".drawing").forEach(function (place) {
  var figure = JSON.parse(place.querySelector("script[type='application/json']").textContent);
  var node = place.querySelector("div");
  Plotly.newPlot(node, figure).then(function () { dressPlotly(node, Plotly); });
});
