// Package browsertest looks at the status page in a real browser, Chromium
// without a window. It is a module of its own, so that no importer of the
// core pays for the browser's protocol.
package browsertest
