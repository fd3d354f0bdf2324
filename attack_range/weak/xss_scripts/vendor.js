// What the shop wanted: stars. What it got besides: a script of another company, with all rights of the page.
for (const place of document.querySelectorAll("[data-stars]")) place.textContent = "★★★★☆ 4 of 5 stars";
inEachState((state) => report(state, gather()));
