// Package sdktest drives official SDKs through rotate.Transport. It is a module
// of its own so that no SDK enters the core's go.mod.
package sdktest
