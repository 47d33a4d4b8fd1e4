// Package storm proves that two controllers are one: on a real etcd and a real
// kube-apiserver, each of two `steelyard controller` processes works behind a
// [Proxy] that delays its requests and its watches, while Services come, change
// and go, and whoever leads is killed, frozen, thawed or told to stop.
//
// An [Observer] reads every state that the API server ever had and says what no
// state may show: an address on two Services, or a Service that lost an address
// without a cause of its own.
package storm
