package announce

import "github.com/steelyard-lb/steelyard/config"

// The protocols of a [Silence].
const (
	Layer2 = "layer2"
	BGP    = "bgp"
)

// The reasons of a [Silence]. Those that MetalLB has too carry its names.
const (
	ReasonNotOwner           = "notOwner"
	ReasonNoAdvertisement    = "noMatchingAdvertisement"
	ReasonNetworkUnavailable = "nodeNetworkUnavailable"
	ReasonExcluded           = "nodeLabeledExcludeBalancers"
	ReasonNoLocalEndpoints   = "noLocalEndpoints"
	ReasonNoEndpoints        = config.ExceptionNoEndpoints
	ReasonNoAddress          = "noIPAllocated"
	ReasonNotAllowed         = "ipNotAllowed"
	ReasonForwarderNotReady  = "forwarderNotReady"
	ReasonNoInterface        = "noInterface"
	ReasonNoSubnet           = "noInterfaceOnSubnet"
	ReasonOutOfService       = "nodeOutOfService"
	ReasonLeaving            = "nodeLeaving"
	ReasonNodeUnknown        = "nodeUnknown"
	ReasonNoMembership       = "noMembership"
	ReasonNoPeer             = "noPeer"
	ReasonNoNextHop          = "noNextHop"
	ReasonProbing            = "probing"
	ReasonAddressInUse       = "addressInUse"
)
