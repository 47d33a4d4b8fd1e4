package forwarding

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// What kube-proxy's informers read is all there.
func TestInformersAreServed(t *testing.T) {
	w := &way{vips: netip.MustParseAddr("100.64.0.0"), pods: netip.MustParseAddr("10.1.0.0")}
	server := httptest.NewServer(objectsOf(w, 300))
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/vnd.kubernetes.protobuf"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	factory := informers.NewSharedInformerFactory(client, 0)
	services, slices := factory.Core().V1().Services(), factory.Discovery().V1().EndpointSlices()
	services.Informer()
	slices.Informer()
	factory.Core().V1().Nodes().Informer()
	factory.Networking().V1().ServiceCIDRs().Informer()
	factory.Start(ctx.Done())
	for kind, ok := range factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			t.Errorf("%v are not served", kind)
		}
	}
	svc, err := services.Lister().Services("bench").Get("s-00299")
	if err != nil || svc.Status.LoadBalancer.Ingress[0].IP != "100.64.1.43" {
		t.Errorf("the last Service is %+v, %v", svc, err)
	}
	slice, err := slices.Lister().EndpointSlices("bench").Get("s-00299")
	if err != nil || slice.Endpoints[0].Addresses[0] != "10.1.1.43" || len(slice.Ports) != 3 {
		t.Errorf("its endpoints are %+v, %v", slice, err)
	}
	cancel()
	factory.Shutdown()
	server.CloseClientConnections()
	server.Close()
}
