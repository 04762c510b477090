package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ServerlessPrivateEndpointSpec is what a user wants of an endpoint. A managed field that is nil is left to Atlas.
type ServerlessPrivateEndpointSpec struct {
	ProjectID    string `json:"projectId"`
	InstanceName string `json:"instanceName"`
	ProviderName string `json:"providerName"`
	EndpointID   string `json:"endpointId"`

	CloudProviderEndpointID  *string `json:"cloudProviderEndpointId,omitempty"`
	PrivateEndpointIPAddress *string `json:"privateEndpointIpAddress,omitempty"`
	Comment                  *string `json:"comment,omitempty"`
}

// EndpointStatus is the endpoint in Atlas's own words.
type EndpointStatus struct {
	ID                           string       `json:"id,omitempty"`
	Status                       string       `json:"status,omitempty"`
	StatusSince                  *metav1.Time `json:"statusSince,omitempty"`
	ErrorMessage                 string       `json:"errorMessage,omitempty"`
	ProviderName                 string       `json:"providerName,omitempty"`
	CloudProviderEndpointID      string       `json:"cloudProviderEndpointId,omitempty"`
	PrivateEndpointIPAddress     string       `json:"privateEndpointIpAddress,omitempty"`
	EndpointServiceName          string       `json:"endpointServiceName,omitempty"`
	PrivateLinkServiceResourceID string       `json:"privateLinkServiceResourceId,omitempty"`
	Comment                      string       `json:"comment,omitempty"`
}

// ServerlessPrivateEndpointStatus is what the operator last found out.
type ServerlessPrivateEndpointStatus struct {
	ObservedGeneration int64              `json:"observedGeneration"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	Endpoint           *EndpointStatus    `json:"endpoint,omitempty"`
}

// ServerlessPrivateEndpoint stands for one private endpoint of a serverless instance.
type ServerlessPrivateEndpoint struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ServerlessPrivateEndpointSpec   `json:"spec,omitempty"`
	Status ServerlessPrivateEndpointStatus `json:"status,omitempty"`
}

// ServerlessPrivateEndpointList is a list of them.
type ServerlessPrivateEndpointList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ServerlessPrivateEndpoint `json:"items"`
}
