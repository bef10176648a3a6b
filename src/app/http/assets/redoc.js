const options = { hideDownloadButton: false, nativeScrollbars: true };
Redoc.init("/api/schema/", options, document.getElementById("redoc"));
