package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is steelyard.io/v1beta1.
var GroupVersion = schema.GroupVersion{Group: "steelyard.io", Version: "v1beta1"}

// AddToScheme makes the kinds of this package known to scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&IPAddressPool{}, &IPAddressPoolList{},
		&IPReservation{}, &IPReservationList{},
		&L2Advertisement{}, &L2AdvertisementList{},
		&BGPPeer{}, &BGPPeerList{},
		&BFDProfile{}, &BFDProfileList{},
		&BGPAdvertisement{}, &BGPAdvertisementList{},
		&Community{}, &CommunityList{},
		&L2Claim{}, &L2ClaimList{},
		&SpeakerStatus{}, &SpeakerStatusList{},
		&IngressReport{}, &IngressReportList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
