// Says on the page when its figures could not be read again, until they can.
"use strict";
(() => {
  const show = (isStale) => {
    for (const notice of document.querySelectorAll("[data-stale]")) {
      notice.hidden = !isStale;
    }
  };
  document.addEventListener("htmx:error", () => show(true));
  document.addEventListener("htmx:after:swap", (event) => show((event.detail?.ctx?.response?.status ?? 200) >= 400));
})();
