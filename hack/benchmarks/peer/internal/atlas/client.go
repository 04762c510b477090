// Package atlas is a client of the two operations of the Atlas Admin API that the peer needs.
package atlas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	mediaType = "application/vnd.atlas.2023-01-01+json"
	timeout   = 15 * time.Second
	retries   = 3 // of a call that Atlas refuses for its rate, as often as the clients that people wrap around Atlas's SDK
)

// Endpoint is a serverless private endpoint as Atlas shows it. A field that Atlas gives as null is empty.
type Endpoint struct {
	ID                           string `json:"_id"`
	Status                       string `json:"status"`
	ErrorMessage                 string `json:"errorMessage"`
	ProviderName                 string `json:"providerName"`
	CloudProviderEndpointID      string `json:"cloudProviderEndpointId"`
	PrivateEndpointIPAddress     string `json:"privateEndpointIpAddress"`
	EndpointServiceName          string `json:"endpointServiceName"`
	PrivateLinkServiceResourceID string `json:"privateLinkServiceResourceId"`
	Comment                      string `json:"comment"`
}

// Update is the body of a PATCH: what differs, and the provider's name, without which Atlas refuses it.
type Update struct {
	ProviderName             string  `json:"providerName"`
	CloudProviderEndpointID  *string `json:"cloudProviderEndpointId,omitempty"`
	PrivateEndpointIPAddress *string `json:"privateEndpointIpAddress,omitempty"`
	Comment                  *string `json:"comment,omitempty"`
}

// Location says where an endpoint is.
type Location struct {
	ProjectID    string
	InstanceName string
	EndpointID   string
}

// Error is an answer that is no success.
type Error struct {
	StatusCode int           `json:"-"`
	RetryAfter time.Duration `json:"-"`
	ErrorCode  string        `json:"errorCode"`
	Detail     string        `json:"detail"`
}

func (e *Error) Error() string {
	return fmt.Sprintf("Atlas answered %d %s: %s", e.StatusCode, e.ErrorCode, e.Detail)
}

// Client calls Atlas with a bearer token.
type Client struct {
	baseURL string
	token   string
	http    *http.Client
}

// NewClient makes a client that keeps up to connections idle connections, one for each worker.
func NewClient(baseURL, token string, connections int) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = connections
	transport.MaxIdleConnsPerHost = connections
	return &Client{baseURL: baseURL, token: token, http: &http.Client{Transport: transport, Timeout: timeout}}
}

// Get reads an endpoint.
func (c *Client) Get(ctx context.Context, at Location) (*Endpoint, error) {
	return c.call(ctx, http.MethodGet, at, nil)
}

// Update changes an endpoint and returns it as it is afterwards.
func (c *Client) Update(ctx context.Context, at Location, update Update) (*Endpoint, error) {
	body, err := json.Marshal(update)
	if err != nil {
		return nil, err
	}
	return c.call(ctx, http.MethodPatch, at, body)
}

// call waits as long as Atlas asks for when it has had too many calls, and holds up its worker meanwhile.
func (c *Client) call(ctx context.Context, method string, at Location, body []byte) (*Endpoint, error) {
	for attempt := 0; ; attempt++ {
		endpoint, err := c.callOnce(ctx, method, at, body)
		refusal := new(Error)
		if attempt == retries || !errors.As(err, &refusal) || refusal.StatusCode != http.StatusTooManyRequests {
			return endpoint, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(refusal.RetryAfter):
		}
	}
}

func (c *Client) callOnce(ctx context.Context, method string, at Location, body []byte) (*Endpoint, error) {
	address := fmt.Sprintf("%s/api/atlas/v2/groups/%s/privateEndpoint/serverless/instance/%s/endpoint/%s",
		c.baseURL, url.PathEscape(at.ProjectID), url.PathEscape(at.InstanceName), url.PathEscape(at.EndpointID))
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", mediaType)
	request.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		request.Header.Set("Content-Type", mediaType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body) // to the end, so that the connection can be used again
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		refusal := &Error{StatusCode: response.StatusCode, RetryAfter: time.Duration(seconds) * time.Second}
		_ = json.Unmarshal(answer, refusal) // what answers is not always Atlas; the status says enough
		return nil, refusal
	}
	endpoint := new(Endpoint)
	if err := json.Unmarshal(answer, endpoint); err != nil {
		return nil, fmt.Errorf("Atlas's answer is not readable: %w", err)
	}
	return endpoint, nil
}
