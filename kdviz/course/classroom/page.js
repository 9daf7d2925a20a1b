// Draws figures when they come into sight, and leads through slides. No network.
function draw(place) {
  if (place.dataset.drawn) return;
  place.dataset.drawn = "yes";
  var figure = JSON.parse(place.querySelector("script").textContent);
  figure.layout.autosize = true;
  if (document.querySelector(".hand-out")) {
    figure.layout.width = Math.min(figure.layout.width || 680, 680);
    figure.layout.height = Math.min(figure.layout.height || 450, 940);      // pixels of a sheet of A4, within its margins
    place.querySelector("div").style.minHeight = "";
    figure.config.displayModeBar = false;
  }
  Plotly.newPlot(place.querySelector("div"), figure);
}
// A slide is made smaller until the window holds it: pictures as a whole, letters down to 60 %. What is left is scrolled.
// Of a high picture with one panel the rows come closer instead, so that its letters stay readable.
function fit(slide) {
  var content = slide.firstElementChild;
  slide.classList.remove("wrap");
  content.style.fontSize = "";
  slide.querySelectorAll(".figure").forEach(function (place) {
    var drawing = place.querySelector("div"), plot = drawing._fullLayout;
    var room = innerHeight - 110, high = +drawing.dataset.high || plot.height;
    var height = room < 0.6 * high && plot._subplots.yaxis.length === 1 ? room : high;
    drawing.dataset.high = high;
    drawing.style.minHeight = "";
    if (plot.height !== height) Plotly.relayout(drawing, { height: height });
    plot = drawing._fullLayout;
    var scale = Math.min(1, Math.max(0.6, place.clientWidth / plot.width), room / plot.height);
    drawing.style.transform = scale < 1 ? "scale(" + scale + ")" : "";
    drawing.style.width = plot.width + "px";
    place.style.height = plot.height * scale + "px";
  });
  function tooBig() {
    return document.documentElement.scrollHeight > innerHeight || Array.from(slide.querySelectorAll("pre, .output"))
      .some(function (part) { return part.scrollWidth > part.clientWidth; });
  }
  for (var size = 95; size >= 60 && tooBig(); size -= 5) content.style.fontSize = size + "%";
  slide.classList.toggle("wrap", tooBig());
  if (tooBig() && slide.querySelector(".figure")) content.style.fontSize = "";      // the picture is what is too high
}
var slides = Array.from(document.querySelectorAll(".slides > section")), at = 0;
function show(number, focus) {
  at = Math.max(0, Math.min(slides.length - 1, number));
  slides.forEach(function (slide, place) { slide.classList.toggle("now", place === at); });
  slides[at].querySelectorAll(".figure").forEach(draw);
  fit(slides[at]);
  document.getElementById("count").textContent = at + 1 + " / " + slides.length;
  if (location.hash !== "#" + (at + 1)) history.replaceState(null, "", "#" + (at + 1));
  scrollTo(0, 0);
  if (focus) slides[at].focus();
}
function notes() { document.body.classList.toggle("with-notes"); }
if (slides.length) {
  var asked = function () { return (parseInt(location.hash.slice(1), 10) || 1) - 1; };
  document.getElementById("back").onclick = function () { show(at - 1); };
  document.getElementById("next").onclick = function () { show(at + 1); };
  document.getElementById("notes").onclick = notes;
  addEventListener("resize", function () { fit(slides[at]); });
  addEventListener("hashchange", function () { show(asked()); });
  addEventListener("keydown", function (event) {
    // a figure's own sliders and menus keep their keys
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(".figure, button, a, input, select")) return;
    var steps = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 };
    if (event.key in steps) { event.preventDefault(); show(at + steps[event.key], true); }
    else if (event.key === "Home") show(0, true);
    else if (event.key === "End") show(slides.length - 1, true);
    else if (event.key === "n" || event.key === "N") notes();
  });
  addEventListener("beforeprint", function () { document.querySelectorAll(".figure").forEach(draw); });
  show(asked());
} else document.querySelectorAll(".figure").forEach(draw);
