// Package admission puts manifests before the code that an API server judges
// them with: for custom resources the chart's CRDs with their CEL rules, for
// Services Kubernetes' own validation. The manifests, with the answer each must
// get, are those of config/translate/testdata, where config/translate tests
// what becomes of the ones that are let in.
package admission
