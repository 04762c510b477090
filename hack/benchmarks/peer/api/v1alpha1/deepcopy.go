package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// What controller-gen would generate, written out: the types are few, and nobody needs the tool to build the peer.

// DeepCopyInto copies the spec into out.
func (in *ServerlessPrivateEndpointSpec) DeepCopyInto(out *ServerlessPrivateEndpointSpec) {
	*out = *in
	out.CloudProviderEndpointID = copyOf(in.CloudProviderEndpointID)
	out.PrivateEndpointIPAddress = copyOf(in.PrivateEndpointIPAddress)
	out.Comment = copyOf(in.Comment)
}

// DeepCopyInto copies the endpoint into out.
func (in *EndpointStatus) DeepCopyInto(out *EndpointStatus) {
	*out = *in
	out.StatusSince = in.StatusSince.DeepCopy()
}

// DeepCopyInto copies the status into out.
func (in *ServerlessPrivateEndpointStatus) DeepCopyInto(out *ServerlessPrivateEndpointStatus) {
	*out = *in
	if in.Conditions != nil {
		out.Conditions = make([]metav1.Condition, len(in.Conditions))
		for i := range in.Conditions {
			in.Conditions[i].DeepCopyInto(&out.Conditions[i])
		}
	}
	if in.Endpoint != nil {
		out.Endpoint = new(EndpointStatus)
		in.Endpoint.DeepCopyInto(out.Endpoint)
	}
}

// DeepCopyInto copies the resource into out.
func (in *ServerlessPrivateEndpoint) DeepCopyInto(out *ServerlessPrivateEndpoint) {
	*out = *in
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	in.Spec.DeepCopyInto(&out.Spec)
	in.Status.DeepCopyInto(&out.Status)
}

// DeepCopy copies the resource.
func (in *ServerlessPrivateEndpoint) DeepCopy() *ServerlessPrivateEndpoint {
	if in == nil {
		return nil
	}
	out := new(ServerlessPrivateEndpoint)
	in.DeepCopyInto(out)
	return out
}

// DeepCopyObject implements runtime.Object.
func (in *ServerlessPrivateEndpoint) DeepCopyObject() runtime.Object {
	if in == nil {
		return nil
	}
	return in.DeepCopy()
}

// DeepCopyObject implements runtime.Object.
func (in *ServerlessPrivateEndpointList) DeepCopyObject() runtime.Object {
	if in == nil {
		return nil
	}
	out := new(ServerlessPrivateEndpointList)
	*out = *in
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	if in.Items != nil {
		out.Items = make([]ServerlessPrivateEndpoint, len(in.Items))
		for i := range in.Items {
			in.Items[i].DeepCopyInto(&out.Items[i])
		}
	}
	return out
}

func copyOf(in *string) *string {
	if in == nil {
		return nil
	}
	out := *in
	return &out
}
