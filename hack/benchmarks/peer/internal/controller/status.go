package controller

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"atlas-endpoints.dev/benchmark/api/v1alpha1"
	"atlas-endpoints.dev/benchmark/internal/atlas"
)

const (
	available = "AVAILABLE"

	conditionReady       = "Ready"
	conditionReconciling = "Reconciling"
)

// describe says in the status of a resource what a pass over it came to.
func describe(resource *v1alpha1.ServerlessPrivateEndpoint, endpoint *atlas.Endpoint, err error) {
	status := &resource.Status
	status.ObservedGeneration = resource.Generation
	if endpoint != nil {
		status.Endpoint = describeEndpoint(status.Endpoint, endpoint)
	}
	ready := metav1.Condition{Type: conditionReady, ObservedGeneration: resource.Generation}
	switch {
	case err != nil:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "AtlasError", err.Error()
	case endpoint.Status == available:
		ready.Status, ready.Reason = metav1.ConditionTrue, "Available"
		// In the words of atlas-endpoints, so that resources that one of the two has settled are settled for the other.
		ready.Message = "The endpoint is available and matches the spec."
	default:
		ready.Status, ready.Reason = metav1.ConditionFalse, "Progressing"
		ready.Message = "Atlas is at work; the endpoint is " + endpoint.Status + "."
	}
	meta.SetStatusCondition(&status.Conditions, ready)
	if ready.Status == metav1.ConditionTrue {
		meta.RemoveStatusCondition(&status.Conditions, conditionReconciling)
		return
	}
	reconciling := ready
	reconciling.Type, reconciling.Status = conditionReconciling, metav1.ConditionTrue
	meta.SetStatusCondition(&status.Conditions, reconciling)
}

func describeEndpoint(previous *v1alpha1.EndpointStatus, endpoint *atlas.Endpoint) *v1alpha1.EndpointStatus {
	now := metav1.Now().Rfc3339Copy()
	since := &now
	if previous != nil && previous.Status == endpoint.Status && previous.StatusSince != nil {
		since = previous.StatusSince
	}
	return &v1alpha1.EndpointStatus{
		ID:                           endpoint.ID,
		Status:                       endpoint.Status,
		StatusSince:                  since,
		ErrorMessage:                 endpoint.ErrorMessage,
		ProviderName:                 endpoint.ProviderName,
		CloudProviderEndpointID:      endpoint.CloudProviderEndpointID,
		PrivateEndpointIPAddress:     endpoint.PrivateEndpointIPAddress,
		EndpointServiceName:          endpoint.EndpointServiceName,
		PrivateLinkServiceResourceID: endpoint.PrivateLinkServiceResourceID,
		Comment:                      endpoint.Comment,
	}
}
