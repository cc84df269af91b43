// The page's own markup in the visitor's language: elements name their text in data-say (or, for an
// attribute, data-say-alt and so on), and what fills its gaps in data-with: figures, words, or another
// text. A text that is markup itself stands in data-say-markup; it comes from the dictionary alone and
// has no gaps. Figures stand in data-figure. Gradio translates its components from the same dictionary.

const dictionaries = window.gradio_config?.i18n_translations ?? {};
const language = (() => {
  const wanted = navigator.language ?? "en";
  return [wanted, wanted.split("-")[0]].find((name) => name in dictionaries) ?? "en";
})();
const words = dictionaries[language] ?? dictionaries.en ?? {};
const SAID = ["alt", "title", "aria-label", "placeholder"];
const SAYING = ["[data-say]", "[data-say-markup]", "[data-figure]", ...SAID.map((name) => `[data-say-${name}]`)].join(",");
// What Vega writes by itself: a chart's axes and cells, and what is shown where one points.
const CHARTED = ".how-chart text, #vg-tooltip-element";
const numbers = new Intl.NumberFormat(language, { useGrouping: false });
const POINT = numbers.format(0.5)[1];
const PERCENT = new Intl.NumberFormat(language, { style: "percent" }).format(0).slice(1);

// Figures as the server writes them, "0.35", "12%" and "30,000", in the signs of this language.
const decimal = (text) => text.replace(/(\d)\.(?=\d)/g, `$1${POINT}`);
const figure = (text) => decimal(text.replace(/(\d),(?=\d)/g, "$1\u202f")).replace(/(\d)%/g, `$1${PERCENT}`);

function phrase(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (gap, name) => {
    const value = values[name];
    if (value?.say) return phrase(value.say, value.with);
    if (value?.figure) return figure(value.figure);
    return typeof value === "number" ? numbers.format(value) : value ?? gap;
  });
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function translate(element) {
  const values = element.dataset.with ? JSON.parse(element.dataset.with) : {};
  if (element.dataset.say) write(element, phrase(element.dataset.say, values));
  if (element.dataset.figure) write(element, figure(element.dataset.figure));
  const marked = element.dataset.sayMarkup;
  if (marked && element.lang !== language) {
    element.innerHTML = phrase(marked);
    element.lang = language;
  }
  for (const name of SAID) {
    const key = element.getAttribute(`data-say-${name}`);
    if (!key) continue;
    const text = phrase(key, values);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

// Called after every change of the page, before it is painted; English stands there already.
function translateAll() {
  if (language === "en") return;
  document.querySelectorAll(SAYING).forEach(translate);
  document.querySelectorAll(CHARTED).forEach((element) => write(element, decimal(element.textContent)));
}
document.documentElement.lang = language;
